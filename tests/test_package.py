"""What the package says of itself is said once, or the same everywhere."""

import re
from pathlib import Path

import jreg

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited
    assert cited[1] == jreg.__version__
    assert re.search(rf"^## {re.escape(jreg.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "jreg" / "py.typed").is_file()
