"""How Sphinx builds the documentation; `make docs` runs it. Nothing is fetched: see `INTERSPHINX`."""

import os
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
# The notebooks run in a kernel of their own, which must find this checkout too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
os.environ.setdefault("MPLBACKEND", "agg")

from docs import generate  # noqa: E402

project, author, copyright = "jreg", "The jreg authors", "The jreg authors"
release = metadata.version("jreg")
extensions = [
    "myst_nb",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "docs.mathml",
]
exclude_patterns = [
    "_build",
    "gallery",
    "names",
    *(f"pictures/*.{kind}" for kind in ("ipynb", "json", "md5", "py", "zip")),
]
nitpicky = False
add_module_names = False
python_maximum_signature_line_length = 88
highlight_language = "python"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_cache_path = str(ROOT / "docs" / "_build" / "notebooks")
nb_merge_streams = True
nb_output_stderr = "warn"

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "pictures",
    "filename_pattern": r"/plot_",
    "only_warn_on_example_error": False,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "notebook_extensions": set(),
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
}

# Inventories are fetched only where the network is known to be there.
INTERSPHINX = {
    "python": "https://docs.python.org/3/",
    "jax": "https://docs.jax.dev/en/latest/",
    "optax": "https://optax.readthedocs.io/en/latest/",
    "flax": "https://flax.readthedocs.io/en/latest/",
    "numpy": "https://numpy.org/doc/stable/",
}
intersphinx_mapping = {name: (url, None) for name, url in INTERSPHINX.items()} if os.environ.get("DOCS_ONLINE") else {}
intersphinx_timeout = 20

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"jreg {release}"
html_static_path = ["_static"]
html_css_files = ["jreg.css"]
html_show_sourcelink = False
html_favicon = "_static/jreg.svg"
html_context = {"default_mode": "auto"}
html_sidebars = {
    page: [] for page in ("index", "start", "keys", "design", "faq", "examples", "changelog", "contributing")
}
html_theme_options = {
    "logo": {"text": f"jreg {release}", "image_light": "_static/jreg.svg", "image_dark": "_static/jreg.svg"},
    "header_links_before_dropdown": 6,
    "navigation_depth": 2,
    "show_toc_level": 2,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "back_to_top_button": False,
}
repository = os.environ.get("GITHUB_REPOSITORY")
if repository:
    html_theme_options["github_url"] = f"https://github.com/{repository}"
    html_baseurl = "https://{}.github.io/{}/".format(*repository.split("/"))


def setup(app):
    """Write what is generated before Sphinx looks for sources, and serve the site as it is, without Jekyll."""
    generate.write(Path(app.srcdir))
    app.connect("build-finished", lambda app, error: (Path(app.outdir) / ".nojekyll").touch())
