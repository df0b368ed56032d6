"""The shapes and types in the signatures are true: every doctest runs again with them checked at each call."""

import subprocess
import sys
from pathlib import Path

CHECKED = """
import doctest, importlib, pkgutil, sys
from jaxtyping import install_import_hook

with install_import_hook("jreg", "beartype.beartype"):
    import jreg
    names = [info.name for info in pkgutil.walk_packages(jreg.__path__, "jreg.")]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
print(sum(result.attempted for result in results), sum(result.failed for result in results))
sys.exit(any(result.failed for result in results))
"""


def test_every_example_holds_with_its_annotations_checked():
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", CHECKED], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    attempted, failed = map(int, done.stdout.split()[-2:])
    assert attempted > 100
    assert failed == 0
