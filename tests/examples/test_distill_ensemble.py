"""The study of ensembles and students, in its quick form and as it is stored."""

import json
from pathlib import Path

import jax
import numpy as np

from examples import distill_ensemble

STORED = Path(distill_ensemble.__file__).with_suffix(".json")


def test_the_quick_study_draws_and_stores_what_it_found(tmp_path, capsys):
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        assert distill_ensemble.main(["--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "distill_ensemble.json").read_text())
    assert (tmp_path / "distill_ensemble.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    for name, scores in distill_ensemble.rows(record).items():
        assert name in printed
        assert len(scores) == distill_ensemble.QUICK.num_rounds
        assert 0.5 < np.mean(scores) < 1.0


def test_rounds_share_no_row_among_their_parts():
    pool, _ = distill_ensemble.digits()
    rounds = distill_ensemble.rounds_of((np.arange(1000.0), np.arange(1000.0)), 3)
    for number in range(3):
        parts = [rounds.train[0][number], rounds.valid[0][number], rounds.unlabelled[number]]
        assert sorted(np.concatenate(parts).tolist()) == list(range(1000))
    assert len(pool[0]) == 1000


def test_the_stored_study_is_of_the_full_size():
    record = json.loads(STORED.read_text())
    assert record["size"] == json.loads(json.dumps(distill_ensemble.Size()._asdict()))


def test_the_stored_student_of_unlabelled_rows_knows_what_the_ensemble_does():
    record = json.loads(STORED.read_text())
    gains = {
        name: distill_ensemble.mean_and_interval(np.subtract(scores, record["single"]))
        for name, scores in distill_ensemble.rows(record).items()
    }
    for name in ("ensemble of the best 16", "one student, on 500 more rows without labels"):
        mean, half = gains[name]
        assert mean > half
