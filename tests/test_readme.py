"""The README's code runs as it stands, and its figures are those of the committed records."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def section(name: str) -> str:
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def printed(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_training_loop_learns_the_digits():
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    accuracy = re.search(r"accuracy on unseen digits ([\d.]+)%", printed(code)).group(1)
    assert float(accuracy) > 85


def test_code_with_its_output_beside_it_prints_that():
    pairs = re.findall(r"```python\n((?:(?!```).)*)```\n\n```text\n(.*?)```", README, re.DOTALL)
    assert len(pairs) == 3
    for code, output in pairs:
        assert printed(code) == output


def test_every_block_of_code_is_one_of_these():
    assert README.count("```python") == 4


def test_the_articles_table_is_the_one_of_the_record():
    record = json.loads((ROOT / "examples" / "seed_table.json").read_text())
    for row, recipe in enumerate(record["recipes"]):
        line = next(line for line in section("seeds").splitlines() if line.startswith(f"| {recipe['name']} |"))
        for name in ("train", "valid"):
            assert f"{record['means'][name][row]:.3f} ± {record['intervals'][name][row]:.3f}" in line
        assert f"| {record['means']['gap'][row]:.3f} |" in line


def test_the_shares_of_zeros_are_those_of_the_record():
    record = json.loads((ROOT / "examples" / "sparsity.json").read_text())
    told = re.findall(r"(\d+) % (?:of the weights )?at (0\.\d+)", README)
    assert len(told) == 2
    for method, (share, accuracy) in zip(("metric", "proximal"), told, strict=True):
        shares, accuracies = (np.mean(record[method][name], axis=1) for name in ("zeros", "accuracy"))
        row = np.argmin(np.abs(shares - float(share) / 100))
        assert (f"{shares[row]:.0%}", f"{accuracies[row]:.3f}") == (f"{share}%", accuracy)


def test_the_table_is_the_one_of_the_record():
    record = json.loads((ROOT / "examples" / "compare" / "digits.json").read_text())
    table = section("demo")
    for found in record["recipes"]:
        line = next(line for line in table.splitlines() if re.search(rf"│ {re.escape(found['recipe'])} +│", line))
        assert f"{np.mean(found['test']):.3f} ± {found['test_interval']:.3f}" in line
        assert f"{np.mean(found['train']):.3f}" in line
        assert f"{found['gap_mean']:.3f}" in line
    assert record["verdict"] in " ".join(table.split())


def test_the_speeds_are_those_of_the_record():
    rows = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text())["rows"]
    listed = re.findall(r"^\| (.+?) \| `?(.+?)`? \| ([\d.]+) \|", section("bench"), re.MULTILINE)
    assert listed
    for suite, case, ratio in listed:
        found = next(row for row in rows if (row["suite"], row["case"]) == (suite, case))
        assert f"{found['fastest_ratio']:.2f}" == ratio


def test_every_namespace_is_listed():
    import jreg

    assert all(f"`jreg.{name}`" in README for name in jreg.NAMESPACES)
