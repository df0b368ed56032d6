"""The page and the README's section say what the records hold."""

import json

from benchmarks import report

MACHINE = {
    "processor": "Abacus", "cores": 2, "backend": "cpu", "devices": ["cpu"],
    "environment": {}, "versions": {"jax": "0.1"}, "commit": "abc",
}  # fmt: skip


def row(suite, case, ratio, budget=None, **fields):
    return {
        "family": suite.split()[0], "suite": suite, "case": case,
        "fastest_ratio": ratio, "median_ratio": ratio, "interval": [ratio, ratio],
        "budget": budget, "fastest_ms": ratio, "bytes": 4.0, "flops": 2.0, "temporary_mib": 3.0,
        "per_second": None, "unit": None, **fields,
    }  # fmt: skip


def record(ratio):
    rows = [
        row("dropout forward, float32, 64 MB", "x * c", 1.0),
        row("dropout forward, float32, 64 MB", "jreg.noise.dropout", ratio, 1.05),
        row("dropout forward, float32, 64 MB", "flax.linen", 9.0),
        row("8 fits", "train.sweep", 1.0, per_second=10.0, unit="models"),
        row("16 fits", "train.sweep", 1.0, per_second=15.0, unit="models"),
    ]
    return {"machine": MACHINE, "ceilings": {"bytes_per_second": 2e10, "flops_per_second": 1e11}, "rows": rows}


def test_results_of_several_machines_stand_side_by_side(tmp_path):
    paths = []
    for name, ratio in (("one", 1.01), ("two", 1.5)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(record(ratio)))
    assert report.main([*map(str, paths), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| jreg.noise.dropout | 1.01 (1.01) | 0% | 3 | 1.50 (1.50), missed | 0% | 3 | 1.05 |" in page
    for name in ("ratios", "roofline", "lanes"):
        assert f"![{name}]({name}.png)" in page
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 1000


def test_the_readme_gets_the_rows_that_a_reader_compares(tmp_path):
    suite, (ours, *others) = next(iter(report.HEADLINES.items()))
    rows = [row(suite, "x * c", 1.0), row(suite, ours, 1.1), *(row(suite, case, 9.0) for case in others)]
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    report.renew(readme, report.headlines({"rows": rows}))
    before, heading, line, shown, after = [text for text in readme.read_text().splitlines() if "<!--" not in text]
    assert (before, heading[0], line[0], after) == ("before", "|", "|", "after")
    beside = "; ".join(f"{case}: 9.00, 9.00" for case in others)
    assert shown == f"| {suite} | `x * c` | 1.10, 1.10 | {beside} |"


def test_the_page_shows_what_loses_as_plainly_as_what_wins():
    text = report.budgets(record(1.5))
    assert "missed:\n- `jreg.noise.dropout` (dropout forward, float32, 64 MB): 1.50 for 1.05\n" in text
    assert "| 1.05 | `flax.linen` | 9.00, 9.00 |" in text
    assert "missed:\n- nowhere\n" in report.budgets(record(1.0))
    assert "faster:\n- nowhere\n" in text
    beaten = report.budgets(record(9.5))
    assert "faster:\n- `flax.linen` (dropout forward, float32, 64 MB): 9.00 against 9.50\n" in beaten


def test_what_was_not_told_apart_is_marked():
    vague = row("suite", "case", 1.02, interval=[0.9, 1.1])
    assert report.cell(vague) == "1.02 (1.02) ~"
    assert report.cell(row("suite", "case", 1.02)) == "1.02 (1.02)"


def test_a_label_tells_the_settings_of_the_environment():
    assert report.machine.label(MACHINE) == "Abacus, 2 cores"
    tuned = {**MACHINE, "backend": "gpu", "devices": ["Slide Rule"], "environment": {"XLA_FLAGS": "--xla_x=1"}}
    assert report.machine.label(tuned) == "Slide Rule, 1 device, --xla_x=1"
