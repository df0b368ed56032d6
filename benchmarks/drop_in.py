"""`python -m benchmarks.drop_in`: Flax's own tests of the layers, with jreg's Dropout and BatchNorm in their place.

It downloads the source of the Flax that is installed (`pip download`), takes the test files that mention the two
layers, and runs them with `jreg.linen` and `jreg.nnx` patched in; what fails runs again with Flax's own layers. About
half an hour on two cores. It writes `benchmarks/results/drop_in.json`.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

RECORD = Path(__file__).with_name("results") / "drop_in.json"
LAYERS = re.compile(r"\b(Dropout|BatchNorm)\b")
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) (\S+)", re.MULTILINE)
SETTINGS = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
PATCH = '''"""Put jreg's layers in the place of flax's."""

import os

if os.environ.get("JREG_DROP_IN"):
    import flax.linen, flax.linen.normalization, flax.linen.stochastic
    import flax.nnx, flax.nnx.nn.normalization, flax.nnx.nn.stochastic

    import jreg.linen, jreg.nnx

    for name, home in (("Dropout", "stochastic"), ("BatchNorm", "normalization")):
        for library, modules, ours in ((flax.linen, flax.linen, jreg.linen), (flax.nnx, flax.nnx.nn, jreg.nnx)):
            setattr(library, name, getattr(ours, name))
            setattr(getattr(modules, home), name, getattr(ours, name))
'''


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        tests = _source(Path(directory)) / "tests"
        (tests / "conftest.py").write_text(PATCH)
        files = [str(path.relative_to(tests)) for path in sorted(tests.rglob("*_test.py")) if _mentions(path)]
        ours = _run(tests, files, {"JREG_DROP_IN": "1"})
        failed = sorted(name for name, outcome in ours.items() if outcome in ("FAILED", "ERROR"))
        theirs = _run(tests, failed, {}) if failed else {}
    broken = [name for name in failed if theirs.get(name) == "PASSED"]
    counts = {outcome.lower(): list(ours.values()).count(outcome) for outcome in ("PASSED", "FAILED", "SKIPPED")}
    record = {
        "flax": version("flax"),
        "jax": version("jax"),
        "files": files,
        "ours": counts,
        "failed with flax's layers too": sorted(set(failed) - set(broken)),
        "failed with ours alone": broken,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))
    sys.exit(bool(broken))


def _source(directory: Path) -> Path:
    """The unpacked source distribution of the Flax that is installed."""
    wanted = f"flax=={version('flax')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(directory), wanted], check=True)
    (archive,) = directory.glob("flax-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz")


def _mentions(path: Path) -> bool:
    return LAYERS.search(path.read_text()) is not None


def _run(tests: Path, names: list[str], settings: dict[str, str]) -> dict[str, str]:
    """What each test said, by its name."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--numprocesses=2", "-q", "-rA", "--tb=no"]
    environment = {**os.environ, **SETTINGS, **settings, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [*command, *names], cwd=tests, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    found = {name: outcome for outcome, name in OUTCOME.findall(done.stdout)}
    if not found:
        raise RuntimeError(done.stdout)
    return found


if __name__ == "__main__":
    main()
