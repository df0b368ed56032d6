"""Zoneout around flax's cells, alone and inside nn.RNN."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jreg import linen, noise

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (2, 7, 3))


def test_a_step_is_the_cell_and_then_zoneout():
    cell, carry = nn.GRUCell(4), jnp.ones((2, 4))
    layer = linen.Zoneout(cell, 0.5)
    variables = layer.init(KEY, carry, X[:, 0])
    proposed, _ = cell.apply({"params": variables["params"]["cell"]}, carry, X[:, 0])
    state, output = layer.apply(variables, carry, X[:, 0], deterministic=False, rng=KEY)
    np.testing.assert_allclose(state, noise.zoneout(KEY, carry, proposed, 0.5), rtol=1e-6)
    np.testing.assert_array_equal(output, state)
    expected, _ = layer.apply(variables, carry, X[:, 0], deterministic=True)
    np.testing.assert_allclose(expected, 0.5 * (carry + proposed), rtol=1e-5)


def test_inside_an_rnn_every_step_of_an_lstm_draws_anew():
    layer = linen.Zoneout(nn.LSTMCell(32), (0.0, 0.5), deterministic=False)
    model = nn.RNN(layer, split_rngs={"params": False, "dropout": True})
    variables = model.init(KEY, X)
    outputs = model.apply(variables, X, rngs={"dropout": KEY})
    kept = np.asarray(outputs[:, 1:] == outputs[:, :-1])
    assert abs(kept.mean() - 0.5) < 0.1
    assert not np.array_equal(kept[:, 0], kept[:, 1])
