"""The README's code runs as it stands, and its figures are those of the committed records."""

import json
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

import jreg

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAIRS = re.compile(r"```python\n((?:(?!```).)*)```\n\n```text\n(.*?)```", re.DOTALL)


def section(name: str) -> str:
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def printed(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_short():
    assert len(README.splitlines()) <= 172


def test_every_block_of_code_but_the_first_has_its_output_beside_it():
    assert README.count("```python") == len(PAIRS.findall(README)) + 1 == 3


def test_the_first_example_runs():
    assert printed(re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)) == ""


def test_the_training_loop_shows_what_regularization_gains():
    """The last digit may differ between processors."""
    code, output = PAIRS.findall(README)[0]
    for text in (printed(code), output):
        shares = [float(share) for share in re.findall(r"([\d.]+)% of unseen rows", text)]
        assert len(shares) == 2
        assert shares[1] > shares[0] + 1
        assert text.count("100% of the training rows") == 2


@pytest.mark.parametrize("page", ["README.md", "docs/keys.md"])
def test_the_last_example_of_a_page_prints_that(page):
    code, output = PAIRS.findall((ROOT / page).read_text())[-1]
    assert printed(code) == output


def test_names_of_the_migration_table_exist():
    rows = re.findall(r"^\| .+ \| (.+) \|$", README.split("## If you know it")[1].split("##")[0], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([a-z]+\.\w+)", row)]
    assert len(names) >= 35
    for name in names:
        assert callable(reduce(getattr, name.split("."), jreg)), name


def test_the_table_of_regularizers_is_that_of_the_ledger():
    table = (ROOT / "examples" / "claims" / "which.md").read_text()
    assert section("which").strip() == table.strip().replace("](README.md)", "](examples/claims/README.md)")


def test_the_speeds_are_those_of_the_record():
    from benchmarks import report

    record = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text())
    assert section("bench") == "\n" + report.headlines(record)


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)\s]+)\)", README):
        assert (ROOT / link.split("#")[0]).exists() or link == "docs/evidence/claims.md", link
