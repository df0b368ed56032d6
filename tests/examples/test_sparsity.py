"""The study of exact zeros, in its quick form and as it is stored."""

import json
from pathlib import Path

import jax
import numpy as np

from examples import sparsity

EXAMPLES = Path(sparsity.__file__).parent


def test_the_quick_study_draws_and_stores_what_it_found(tmp_path, capsys):
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        assert sparsity.main(["--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "sparsity.json").read_text())
    assert (tmp_path / "sparsity.png").read_bytes().startswith(b"\x89PNG")
    assert not np.any(record["gradient"]["zeros"])
    for method in ("metric", "proximal"):
        zeros = np.mean(record[method]["zeros"], axis=1)
        assert zeros[0] < zeros[-1]
        assert zeros[-1] > 0.5
    assert np.mean(record["proximal"]["accuracy"][0]) > 0.8
    assert f"{zeros[-1]:.1%}" in capsys.readouterr().out


def test_the_stored_study_says_that_only_the_steps_give_exact_zeros():
    record = json.loads((EXAMPLES / "sparsity.json").read_text())
    gradient, *steps = (
        {field: np.mean(record[name][field], axis=1) for field in ("zeros", "accuracy")} for name in sparsity.METHODS
    )
    assert gradient["zeros"].max() < 1e-4
    for found in steps:
        for share, cost in ((0.5, 0.01), (0.85, 0.035)):
            best = found["accuracy"][found["zeros"] > share].max()
            assert best > found["accuracy"][0] - cost


def test_in_the_stored_study_a_strength_costs_as_much_in_adams_metric_as_in_the_loss():
    record = json.loads((EXAMPLES / "sparsity.json").read_text())
    strengths = np.array(record["strengths"])
    gradient, proximal, metric = (np.mean(record[name]["accuracy"], axis=1) for name in sparsity.METHODS)
    weak = strengths < 0.015
    np.testing.assert_allclose(metric[weak], gradient[weak], atol=0.005)
    assert (proximal[strengths > 1.1] < 0.15).all()  # A whole step: nothing is left.
    assert proximal[strengths < 0.9].min() > 0.85
