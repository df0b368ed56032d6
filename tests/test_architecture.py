"""The shape of the tree: imports go one way, files stay short, each name has one home."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jreg"
FILES = sorted(PACKAGE.rglob("*.py"))
FAMILIES = ("noise", "penalty", "targets", "augment", "norm", "optim")
TOPS = ("train", "diagnose", "linen", "nnx")
ALLOWED = {
    "_core": set(),
    "random": {"_core"},
    **{family: {"_core", "random"} for family in FAMILIES},
    "diagnose": {"_core", "random", *FAMILIES},
    "train": {"_core", "random"},
    "linen": {"_core", "random", "noise", "norm"},
    "nnx": {"_core", "random", "noise", "norm"},
}
LIBRARIES = {"jax", "numpy", "scipy", "optax", "jaxtyping", "flax", "orbax", "rich", "matplotlib"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, as an absolute dotted name."""
    package = [*path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            found |= {".".join(module)} if node.module else {".".join([*module, alias.name]) for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_one_way(path):
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return
    family = parts[0]
    for module in imports(path):
        top, *rest = module.split(".")
        if top == "jreg":
            assert rest, f"{name_of(path)} imports jreg itself"
            assert rest[0] == family or rest[0] in ALLOWED[family], f"{name_of(path)} imports {module}"
        else:
            assert top in LIBRARIES or top in sys.stdlib_module_names, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short_and_say_what_they_are(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("family", sorted(set(ALLOWED) - {"_core"}))
def test_files_of_a_family_are_private_and_its_init_is_a_table_of_contents(family):
    folder = PACKAGE / family
    if not folder.exists():
        pytest.skip("comes later")
    assert all(path.name.startswith("_") for path in folder.glob("*.py"))
    *imported, listed = ast.parse((folder / "__init__.py").read_text()).body[1:]
    assert all(isinstance(node, ast.ImportFrom) for node in imported)
    names = [alias.name for node in imported for alias in node.names]
    assert isinstance(listed, ast.Assign)
    assert listed.targets[0].id == "__all__"
    assert ast.literal_eval(listed.value) == sorted(names)


def test_nothing_private_is_used_across_packages():
    for path in FILES:
        family = path.relative_to(PACKAGE).parts[0]
        for module in imports(path):
            top, *rest = module.split(".")
            if top == "jreg" and rest[0] not in (family, "_core"):
                assert not any(part.startswith("_") for part in rest), f"{name_of(path)} imports {module}"


def test_the_root_lists_the_families_and_nothing_else():
    import jreg

    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert list(jreg.NAMESPACES) == sorted(folders)
    assert dir(jreg) == sorted([*folders, "__version__"])
    assert all(getattr(jreg, name).__name__ == f"jreg.{name}" for name in folders)
    assert all(f"from . import {name} as {name}\n" in (PACKAGE / "__init__.py").read_text() for name in folders)
    with pytest.raises(AttributeError, match="module 'jreg' has no attribute 'absent'"):
        getattr(jreg, "absent")  # noqa: B009


def test_each_public_name_has_one_home():
    homes = {}
    adapters = {"linen", "nnx"}  # They share flax's names, as their users change the import and nothing else.
    for folder in sorted(PACKAGE.iterdir()):
        if folder.is_dir() and not folder.name.startswith("_") and folder.name not in adapters:
            for name in vars(importlib.import_module(f"jreg.{folder.name}")):
                if not name.startswith("_"):
                    homes.setdefault(name, []).append(folder.name)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def exporting(folder: Path) -> set[Path]:
    """The files that a folder's public names come from, through the folders inside it."""
    body = ast.parse((folder / "__init__.py").read_text()).body[1:-1]
    inside = {folder / node.module for node in body if isinstance(node, ast.ImportFrom) and node.level == 1}
    return {file for path in inside for file in (exporting(path) if path.is_dir() else {path.with_suffix(".py")})}


def test_tests_mirror_the_tree():
    for folder in sorted(PACKAGE.iterdir()):
        if folder.is_dir() and not folder.name.startswith("_"):
            tested = " ".join(path.name for path in (ROOT / "tests" / folder.name).glob("test_*.py"))
            for file in exporting(folder):
                assert file.stem.strip("_") in tested, f"no test beside {file.relative_to(ROOT)}"


def test_importing_jreg_starts_no_device_and_loads_no_heavy_library():
    code = (
        "import sys, jreg; from jreg import augment, diagnose, noise, norm, optim, penalty, random, targets, train;"
        "from jax._src import xla_bridge; assert not xla_bridge._backends;"
        "assert not {'flax', 'orbax', 'matplotlib', 'sklearn', 'scipy.stats'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_nothing_is_left_open():
    for path in FILES:
        text = path.read_text()
        assert not any(word in text for word in ("TODO", "FIXME", "XXX", "NotImplementedError")), name_of(path)
        asserts = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]
        assert not asserts, f"{name_of(path)} asserts on its input"
