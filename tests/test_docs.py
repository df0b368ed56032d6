"""The documentation: a page for every public name, code that runs, links that lead somewhere. `make docs` builds it."""

import ast
import re
from pathlib import Path

import jax
import pytest

import jreg
from docs import generate, records, reference
from docs.docstrings import parsed

pytestmark = pytest.mark.sampled(1)  # each case is short, and one that is left out is a page that nobody looks at
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
WRITTEN = [path for path in PAGES if str(path.relative_to(DOCS)) not in generate.ADOPTED]
PUBLIC = [f"{space}.{name}" for space in jreg.NAMESPACES for name in getattr(jreg, space).__all__]
BESIDE = sorted((DOCS / "coming_from").glob("[!i]*.md"))
PREAMBLE = """
from functools import partial
import jax, jax.numpy as jnp, optax
from jreg import augment, diagnose, noise, norm, optim, penalty, random, targets, train
key, other_key = jax.random.split(jax.random.key(0))
x, images, labels = jnp.ones((4, 8)), jnp.ones((4, 8, 8, 3)), jnp.array([0, 1, 2, -100])
logits, image_labels, loss = jnp.ones((4, 3)), jnp.array([0, 1, 2, 3]), 1.0
weights = {"kernel": jnp.ones((8, 3)), "bias": jnp.zeros(3)}
data = x, jnp.ones((4, 3))
def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((batch[0] @ params["kernel"] - batch[1]) ** 2), (model_state, {})
step = train.make_step(loss_fn, optax.sgd(0.1))
evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
state = train.init_state(weights, optax.sgd(0.1))
"""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module", autouse=True)
def _listed():
    """The list of the laws' cases takes a process of its own, which `make docs` starts; a few lines do here."""
    lines = [
        "tests/test_laws.py::test_rate_one_drops_everything[dropout, shared axes]",
        "tests/optim/test_laws.py::test_what_replaces_16_bit_weights_reaches_its_value[30.0-bfloat16-prox_l1]",
        "tests/test_modes.py::test_every_function_works_in_every_mode[noise.zoneout, tree-x64 mode]",
        "tests/test_modes.py::test_every_function_works_in_every_mode[noise.zoneout-auto mesh]",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "collected", lambda: lines)
        yield


@pytest.fixture(scope="module")
def pages():
    return reference.pages()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_page_and_a_line(name, pages):
    namespace, short = name.split(".")
    page = pages[f"{name}.rst"]
    assert f".. py:currentmodule:: jreg.{namespace}" in page
    assert re.search(rf"^\.\. py:(function|class|data):: {short}\b", page, re.MULTILINE)
    assert f"<jreg.{name}>`" in pages[f"{namespace}.rst"]
    summary = parsed(reference.text_of(name)).summary
    assert len(summary) > 10
    assert reference.inline(summary)[:20] in page


def test_there_is_no_page_of_anything_else(pages):
    assert set(pages) == {f"{name}.rst" for name in [*PUBLIC, *jreg.NAMESPACES]}


def test_every_namespace_is_in_the_table_of_contents():
    listed = re.findall(r"^(\w+)$", (DOCS / "api" / "index.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(jreg.NAMESPACES)


def test_a_docstring_keeps_its_parts():
    doc = parsed(
        "Do `it`.\n\n    y = x * 2\n\nWith a*b and x_.\n\nArgs:\n  x, y: two\n    numbers.\n\n>>> 1\n1\n\nA paper.",
        {"it": "jreg.noise.it"}.get,
    )
    assert doc.summary == "Do `it`."
    assert ".. code-block:: text\n   :class: formula\n\n   y = x * 2" in doc.body
    assert "With a\\*b and x\\_." in doc.body
    assert "``x``, ``y``\n   two numbers." in doc.body
    assert (doc.example, doc.paper) == (">>> 1\n1", "A paper.")
    assert ":py:obj:`it <jreg.noise.it>`" in reference.inline(doc.summary, {"it": "jreg.noise.it"}.get)


def test_every_part_of_a_docstring_is_on_its_page(pages):
    """Formula, arguments, errors, example and paper of one that has them all."""
    page = pages["noise.dropout.rst"]
    for part in ("y = m * x / (1 - rate)", "``shared_axes``", "``ValueError``", ">>> y = noise.dropout(", "JMLR 2014"):
        assert part in page


def test_costs_are_those_of_the_record(pages):
    found = records.costs(PUBLIC)
    assert {"noise.dropout", "noise.dropblock", "noise.dropconnect_dense", "penalty.l1", "optim.prox_l1"} <= set(found)
    assert {"norm.batch_norm", "train.sweep", "random.hash_prng", "augment.mixup", "nnx.Dropout"} <= set(found)
    for cells in found["noise.dropblock"]:
        assert " - ".join(cells[2:3]) in pages["noise.dropblock.rst"]


def test_laws_are_read_off_the_cases_of_the_tests():
    found = records.laws(PUBLIC)
    assert found["noise.dropout"] == ["rate one drops everything"]
    assert found["optim.prox_l1"] == ["what replaces 16 bit weights reaches its value"]
    assert found["noise.zoneout"] == ["every function works in every mode: x64 mode, auto mesh"]
    assert records.modes(PUBLIC)["noise.zoneout"] == {"x64 mode", "auto mesh"}


def test_names_of_other_libraries_are_beside_names_that_exist():
    for name, entry in reference.peers().items():
        assert name in PUBLIC
        assert set(entry) <= {*reference.PEERS, "differs"}
        assert set(entry) != {"differs"}


def test_every_library_of_the_migration_pages_has_names():
    for path in BESIDE:
        assert f"names/{path.stem}.rst" in path.read_text()
        assert generate.names(path.stem)
    for link in re.findall(r"names/(\w+)\.rst", "".join(path.read_text() for path in BESIDE)):
        assert generate.names(link)


@pytest.mark.parametrize("path", BESIDE, ids=name_of)
def test_our_code_beside_theirs_runs(path):
    blocks = re.findall(r":::\{tab-item\} jreg\n```python\n(.*?)```", path.read_text(), re.DOTALL)
    assert blocks
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(PREAMBLE + "\n".join(blocks), {})


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_links_lead_somewhere(path):
    generated = {DOCS / page for page in generate.ADOPTED} | {
        DOCS / f"evidence/{name}" for name in ("modes", "diagnosis")
    }
    made = {DOCS / name for name in ("examples", "pictures/index")} | {
        DOCS / "api" / name for name in (*PUBLIC, *jreg.NAMESPACES)
    }
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        target = (path.parent / link.split("#")[0]).resolve()
        is_known = target in generated | made or target.with_suffix("") in made
        assert "://" in link or link.startswith("#") or target.exists() or is_known, link


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_what_a_page_names_is_public(path):
    spaces = "|".join(jreg.NAMESPACES)
    text = re.sub(r":::\{tab-item\} (?!jreg).*?\n:::", "", path.read_text(), flags=re.DOTALL)
    for prefix, space, name in re.findall(rf"(?<![\w./\"])(jreg\.|)({spaces})\.(\w+)\(", text):
        is_flax = not prefix and space in ("linen", "nnx")  # which flax's own namespaces are called, too
        assert is_flax or f"{space}.{name}" in PUBLIC, (space, name)


def test_every_picture_that_can_be_drawn_is_in_the_gallery():
    drawn = {path.stem for path in (DOCS / "gallery").glob("plot_*.py")}
    assert drawn == {name.split(".")[1] for name in PUBLIC if name.startswith("diagnose.plot_")}
    for path in (DOCS / "gallery").glob("plot_*.py"):
        text = path.read_text()
        assert f"diagnose.{path.stem}(" in text
        assert (ast.get_docstring(ast.parse(text)) or "").count("\n=") == 1


def test_every_example_is_on_the_page_of_examples():
    page = generate.examples()
    for path in (ROOT / "examples").glob("[!_]*.py"):
        assert f"\n{path.stem}\n---" in page
    for picture in (ROOT / "examples").rglob("*.png"):
        assert f"../{picture.relative_to(ROOT)}" in page


def test_adopted_pages_link_to_pages_and_show_pictures():
    for page, file in generate.ADOPTED.items():
        for mark, link in re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", generate.adopted(page, ROOT / file)):
            target = ((DOCS / page).parent / link.split("#")[0]).resolve()
            if mark or "://" not in link:
                assert target.is_file() or str(target.relative_to(DOCS)) in generate.ADOPTED, (page, link)


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for path in PAGES:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text(), re.DOTALL):
            listed |= {
                (path.parent / line).resolve() for line in block.split("\n") if line and not line.startswith(":")
            }
    for path in WRITTEN:
        assert path.name == "index.md" or path.with_suffix("").resolve() in listed, path
