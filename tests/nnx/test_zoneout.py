"""Zoneout around flax's cells, alone and inside nnx.RNN."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx as flax_nnx

from jreg import nnx, noise

X = jax.random.normal(jax.random.key(0), (2, 7, 3))


def test_a_step_is_the_cell_and_then_zoneout():
    cell = flax_nnx.GRUCell(3, 4, rngs=flax_nnx.Rngs(0))
    layer, carry = nnx.Zoneout(cell, 0.5, rngs=flax_nnx.Rngs(1)), jnp.ones((2, 4))
    key = jax.random.key(5)
    proposed, _ = cell(carry, X[:, 0])
    state, output = layer(carry, X[:, 0], rngs=key)
    np.testing.assert_array_equal(state, noise.zoneout(key, carry, proposed, 0.5))
    np.testing.assert_array_equal(output, state)
    layer.eval()
    np.testing.assert_allclose(layer(carry, X[:, 0])[0], 0.5 * (carry + proposed), rtol=1e-6)


def test_an_lstm_takes_a_rate_for_its_cell_and_one_for_its_output():
    layer = nnx.Zoneout(flax_nnx.LSTMCell(3, 4, rngs=flax_nnx.Rngs(0)), (1.0, 0.0), rngs=flax_nnx.Rngs(1))
    before = (jnp.full((2, 4), 2.0), jnp.full((2, 4), 3.0))
    (cell, hidden), output = layer(before, X[:, 0])
    np.testing.assert_array_equal(cell, before[0])
    assert not np.any(np.asarray(hidden == before[1]))
    np.testing.assert_array_equal(output, hidden)


def test_inside_an_rnn_every_step_draws_anew():
    layer = nnx.Zoneout(flax_nnx.SimpleCell(3, 64, rngs=flax_nnx.Rngs(0)), 0.5, rngs=flax_nnx.Rngs(1))
    outputs = flax_nnx.RNN(layer)(X)
    assert layer.rngs.count[...] == 7
    kept = np.asarray(outputs[:, 1:] == outputs[:, :-1])
    assert abs(kept.mean() - 0.5) < 0.1
    assert not np.array_equal(kept[:, 0], kept[:, 1])
