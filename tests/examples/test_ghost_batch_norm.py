"""The study of batch norm's noise: what it measures is what theory says, and what it draws and stores is written."""

import json
from pathlib import Path

import jax
import numpy as np

from examples.ghost_batch_norm import __main__ as study

STORED = Path(__file__).parents[2] / "examples" / "ghost_batch_norm" / "ghost_batch_norm.json"


def test_a_small_study_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study, "RATES", (0.0, 0.5))
    # optax.adam computes with a step count in int32.
    with jax.numpy_dtype_promotion("standard"):
        found = study.measure(study.Settings(sizes=(), num_seeds=2, num_steps=8))
    study.show(found)
    study.draw(found, tmp_path / "found.png")
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(json.dumps(found))["rows"][0]["batch_size"] == study.BATCH_SIZE
    assert f"{found['rows'][0]['noise']:.3f}" in capsys.readouterr().out
    np.testing.assert_allclose(found["rows"][0]["noise"], (1.5 / 64) ** 0.5, rtol=0.1)
    ratios = [row["variance_ratio"]["mean"] for row in found["variance_shift"]]
    assert ratios[0] == 1.0
    assert ratios == sorted(ratios, reverse=True)


def test_the_stored_study_holds_noise_that_falls_with_either_size():
    rows = json.loads(STORED.read_text())["rows"]
    for row in rows:
        size = row["ghost_size"] or row["batch_size"]
        np.testing.assert_allclose(row["noise"], (1.5 / size) ** 0.5, rtol=0.1)
    noise = {
        row["ghost_size"]: row["noise"] for row in rows if row["batch_size"] == study.BATCH_SIZE and row["ghost_size"]
    }
    assert list(noise.values()) == sorted(noise.values(), reverse=True)
