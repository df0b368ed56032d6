"""The study of text that is seen many times: its text, its split, a quick run, and what is stored of the full one."""

import json
import math
from itertools import combinations
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples.limited_data import __main__ as command
from examples.limited_data import cells, choice, differences, model, page, record, study, text

FOLDER = Path(cells.__file__).parent


def quick(folder, *more):
    # optax.adam computes with a step count in int32.
    with jax.numpy_dtype_promotion("standard"):
        return command.main(["--quick", "--out", str(folder), *more])


def without_seconds(found):
    return {name: {key: value for key, value in cell.items() if key != "seconds"} for name, cell in found.items()}


@pytest.fixture(scope="module")
def stored():
    return json.loads((FOLDER / record.NAME).read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limited_data")
    assert quick(folder) == 0
    return folder, json.loads((folder / record.NAME).read_text())


def test_the_quick_study_runs_every_cell_and_writes_the_page_and_the_figures(finished):
    folder, found = finished
    assert len(found["cells"]) == cells.num_cells(command.QUICK.grid)
    assert (folder / page.PAGE).read_text() == page.page_of(found)
    for name in page.FIGURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_a_study_that_was_killed_goes_on_to_the_same_numbers(finished, tmp_path):
    _, found = finished
    kept = dict(list(found["cells"].items())[:7])
    record.write(tmp_path, found | {"cells": kept})
    assert quick(tmp_path) == 0
    again = json.loads((tmp_path / record.NAME).read_text())
    assert without_seconds(again["cells"]) == without_seconds(found["cells"])
    assert [again["cells"][name] for name in kept] == list(kept.values())


def test_a_record_that_is_not_finished_has_a_page_of_what_is_there(finished, tmp_path, capsys):
    _, found = finished
    singles = {cells.cell_name(4, setting) for setting in cells.alone(command.QUICK.grid)}
    record.write(tmp_path, found | {"cells": {name: cell for name, cell in found["cells"].items() if name in singles}})
    assert quick(tmp_path, "--page") == 0
    assert "It holds 6 of 14 cells" in " ".join((tmp_path / page.PAGE).read_text().split())
    assert not (tmp_path / page.FIGURES[-1]).exists()


def test_a_record_of_another_study_is_refused(finished):
    folder, _ = finished
    with pytest.raises(ValueError, match="record of another study: budget differ"):
        quick(folder, "--tokens", "2048")


def test_an_ensemble_of_one_is_the_network_of_the_grid(finished):
    _, found = finished
    for kind in cells.KINDS:
        cell = found["cells"][cells.ensemble_name(4, kind)]
        alone = found["cells"][cells.cell_name(4, cells.Setting(**cell["setting"]))]
        np.testing.assert_allclose(cell["test"]["1"], alone["test"], atol=2e-5)


def test_every_run_spends_the_same_tokens_and_every_text_is_seen_as_often_as_it_says():
    plan = study.Plan()
    documents = {f"{i}": np.random.default_rng(i).bytes(20_000) for i in range(40)}
    for passes in plan.grid.passes:
        data = study.rows_of_seeds(
            plan._replace(grid=plan.grid._replace(num_seeds=1)), text.Text(documents, bytes(range(256)), {}), passes
        )
        rows_seen = plan.budget.steps(plan.shape) * plan.budget.rows_per_step
        assert data["train"].shape[1] * passes == rows_seen
        assert data["valid"].shape[1:] == (plan.num_valid // plan.shape.context, plan.shape.context + 1)


def test_no_long_window_of_one_part_stands_in_another():
    found = text.standard_library(command.QUICK_MODULES)
    for seed in range(2):
        parts = [part.tobytes() for part in text.split(found, seed, 60_000, 8_000, 8_000)]
        seen = [text.windows(part, text.LONGEST_SHARED, 1) for part in parts]
        assert [len(part) for part in parts] == [60_000, 8_000, 8_000]
        assert all(one.isdisjoint(other) for one, other in combinations(seen, 2))


def test_repeats_are_found_wherever_they_begin():
    shared = "".join(map(chr, range(40, 101)))
    for length, is_kept in ((60, False), (29, True)):
        pieces = {"first": ["x" * 7 + shared[:length]], "second": ["y" * 3 + shared[:length] + "z", "kept"]}
        kept = text.without_repeats(pieces)["second"]
        assert b"kept" in kept
        assert (shared[:length].encode() in kept) == is_kept


def test_rows_lie_side_by_side_and_overlap_in_one_byte():
    rows = text.rows_of(np.arange(11, dtype=np.uint8), 5)
    assert rows.tolist() == [[0, 1, 2, 3, 4, 5], [5, 6, 7, 8, 9, 10]]


def test_docstrings_come_from_modules_classes_and_functions_alone():
    source = b'"""One."""\nx = """No."""\nclass A:\n    """Two."""\n    async def f():\n        """Three."""\n'
    assert text.docstrings(source) == ["One.", "Two.", "Three."]


def test_a_file_is_cut_into_blocks(tmp_path):
    (tmp_path / "own.txt").write_text("\n\n".join(f"paragraph number {i} of my own" for i in range(600)))
    found = text.from_file(tmp_path / "own.txt")
    assert len(found.documents) == text.NUM_BLOCKS
    assert found.source["text"] == "own.txt"
    with pytest.raises(ValueError, match="must hold 99999 bytes to train on"):
        text.split(found, 0, 99_999, 100, 100)


def test_the_network_sees_no_byte_ahead():
    shape = model.Shape(d=8, layers=1, context=6, vocabulary=5)
    params = model.init_params(jax.random.key(0), shape)
    params["blocks"][0]["attention"]["out"]["kernel"] += 0.5
    tokens = jnp.array([[0, 1, 2, 3, 4, 0], [0, 1, 2, 1, 4, 0]], jnp.uint8)
    one, other = jax.jit(lambda: model.logits(params, None, tokens, None, shape))()
    np.testing.assert_allclose(one[:3], other[:3], atol=1e-6)
    assert (np.abs(one[3:] - other[3:]).max(axis=1) > 1e-4).all()


def test_validation_chooses_and_a_run_that_diverged_never_wins():
    found = {}
    for setting, valid in (((0.1, 0), [2.0, 2.0]), ((1.0, 0), [math.nan, 1.0]), ((0.0, 0.1), [1.9, 2.0])):
        chosen = cells.Setting(decay=setting[0], dropout=setting[1])
        found[cells.cell_name(4, chosen)] = {
            "passes": 4,
            "setting": chosen._asdict(),
            "best_valid": valid,
            "test": [9.0],
        }
    assert choice.best_with(found, 4, ("decay",)) == cells.Setting(decay=0.1)
    assert choice.best_of(found, 4) == cells.Setting(dropout=0.1)


def test_a_verdict_follows_the_interval():
    assert [differences.Estimate(mean, 0.1).verdict for mean in (-0.2, -0.05, 0.05, 0.2)] == [
        "pays", "undecided", "undecided", "hurts",
    ]  # fmt: skip


def test_the_stored_study_is_of_the_full_size_and_its_page_is_what_it_generates(stored):
    plan = study.Plan()
    assert stored["asked"]["grid"] == json.loads(json.dumps(plan.grid._asdict()))
    assert stored["asked"]["budget"] == plan.budget._asdict()
    assert differences.passes_in(stored) == plan.grid.passes
    assert len(stored["cells"]) == cells.num_cells(plan.grid)
    assert (FOLDER / page.PAGE).read_text(encoding="utf-8") == page.page_of(stored)
    assert record.as_text(stored) == (FOLDER / record.NAME).read_text()


def test_in_the_stored_study_regularizers_pay_the_more_the_more_passes_there_are(stored):
    found, passes = stored["cells"], stored["asked"]["grid"]["passes"]
    gains = [differences.against_none(found, p, choice.best_of(found, p)) for p in passes]
    assert [gain.verdict for gain in gains[-2:]] == ["pays", "pays"]
    assert gains[-1].mean < gains[0].mean
    decays = [choice.best_with(found, p, ("decay",)).decay for p in passes]
    assert decays[-1] >= 10 * page.USUAL_DECAY
    assert decays[-1] > decays[0]


@pytest.mark.parametrize("setting", [cells.Setting(decay=10.0), cells.Setting(dropout=0.2)])
def test_in_the_stored_study_what_pays_on_repeated_text_hurts_on_text_that_is_seen_once(stored, setting):
    verdicts = [differences.against_none(stored["cells"], p, setting).verdict for p in (1, 16)]
    assert verdicts == ["hurts", "pays"]
