"""Layer dropout on a schedule, in its quick form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import layer_dropout


def test_the_schedule_has_a_plateau_and_ends_at_zero():
    schedule = layer_dropout.plateau_and_decay(0.6, 100)
    np.testing.assert_allclose([schedule(count) for count in (0, 59, 80, 100)], [0.6, 0.6, 0.3, 0.0], atol=1e-6)


def test_without_a_key_or_a_rate_every_layer_is_run():
    params, x = layer_dropout.init_params(jax.random.key(0)), jnp.ones((2, 64))
    whole = layer_dropout.logits(params, None, x, 0.6)
    np.testing.assert_allclose(layer_dropout.logits(params, jax.random.key(1), x, 0.0), whole, rtol=1e-5)
    assert not np.allclose(layer_dropout.logits(params, jax.random.key(1), x, 0.6), whole, rtol=1e-2)


@pytest.mark.thorough
def test_the_quick_study_prints_a_line_for_each_recipe(capsys):
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        assert layer_dropout.main(["--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == list(layer_dropout.recipes(50))
    assert all(0.3 < float(line.split("accuracy ")[1].split()[0]) <= 1.0 for line in lines)
