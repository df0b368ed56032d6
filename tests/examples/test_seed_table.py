"""The seed table, run as a user runs it, and the layers that it shares with PyTorch."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import seed_table

STORED = json.loads((Path(__file__).parents[2] / "examples" / "seed_table.json").read_text())


@pytest.mark.thorough
def test_the_quick_table_tells_what_its_numbers_say(tmp_path, capsys):
    with jax.numpy_dtype_promotion("standard"):
        assert seed_table.main(["--quick", "--out", str(tmp_path / "table.json")]) == 0
    record = json.loads((tmp_path / "table.json").read_text())
    printed = capsys.readouterr().out
    for row, recipe in enumerate(seed_table.RECIPES):
        scores = record["scores"]["valid"][row]
        assert len(scores) == seed_table.QUICK_SEEDS
        assert f"{np.mean(scores):.4f} ± {record['intervals']['valid'][row]:.4f}" in printed
        assert recipe.name in printed
    valid = np.array(record["scores"]["valid"])
    assert (valid > 0.3).all()
    # With and without a decay of 1e-3 the same seed starts from the same weights and meets the same masks.
    assert np.abs(valid[0] - valid[1]).max() < 0.02 > np.abs(valid[2] - valid[3]).max()
    assert (valid[0] != valid[2]).any()


def test_the_stored_table_is_of_all_seeds_and_epochs():
    assert STORED["epochs"] == seed_table.EPOCHS
    assert [recipe["name"] for recipe in STORED["recipes"]] == [recipe.name for recipe in seed_table.RECIPES]
    assert np.shape(STORED["scores"]["valid"]) == (len(seed_table.RECIPES), seed_table.NUM_SEEDS)
    np.testing.assert_allclose(STORED["means"]["valid"], np.mean(STORED["scores"]["valid"], axis=1), rtol=1e-6)


def test_the_optimizer_is_adamw_of_torch():
    """Two steps of torch.optim.AdamW([1.0], lr=1e-3, weight_decay=0.1), gradients 0.5 and -0.2, by hand in float64."""
    w, m, v = 1.0, 0.0, 0.0
    for count, grad in enumerate((0.5, -0.2), start=1):
        w -= 1e-3 * 0.1 * w
        m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
        w -= 1e-3 * (m / (1 - 0.9**count)) / ((v / (1 - 0.999**count)) ** 0.5 + 1e-8)
    with jax.numpy_dtype_promotion("standard"):
        optimizer = seed_table.optimizer({"decay": 0.1})
        bias = jnp.ones(1)
        state = optimizer.init(bias)
        for grad in (0.5, -0.2):
            updates, state = optimizer.update(jnp.array([grad]), state, bias)
            bias = bias + updates
    np.testing.assert_allclose(bias, w, rtol=2e-6)


def test_the_classes_are_those_of_the_first_ten_columns():
    x, y = seed_table.load()
    assert (x.shape, y.shape, set(y.tolist())) == ((2000, 50), (2000,), {0, 1, 2, 3})
    solution, *_ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], np.eye(4)[y], rcond=None)
    assert np.abs(solution[10:50]).max() < 0.05 < np.abs(solution[:10]).max()


def test_initial_weights_are_within_the_bound_of_torch():
    params, _ = seed_table.init(jax.random.key(0), "plain")
    for dense, inputs in zip(params["dense"], seed_table.WIDTHS[:-1], strict=True):
        assert float(jnp.abs(dense["kernel"]).max()) <= inputs**-0.5
        np.testing.assert_allclose(dense["kernel"].std(), inputs**-0.5 / 3**0.5, rtol=0.15)
