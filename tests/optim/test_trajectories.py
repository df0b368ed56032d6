"""Five steps of every kind agree with torch's optimizers, whose numbers are stored here."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import trajectory

GRADIENTS = np.random.default_rng(5).normal(size=(5, 3))
START = np.array([1.0, -2.0, 0.5])

# Made with torch 2.13 by this script, with GRADIENTS and START from above:
#
#   def run(make, before=lambda w: 0.0, after=lambda w: w):
#       w = torch.nn.Parameter(torch.tensor(START))
#       optimizer, path = make([w]), []
#       for gradient in GRADIENTS:
#           w.grad = torch.tensor(gradient) + before(w.detach())
#           optimizer.step()
#           w.data = after(w.data)
#           path.append(w.detach().numpy().copy())
#       return np.stack(path)
#
#   sign, shrink = torch.sign, torch.nn.functional.softshrink
#   run(lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.3))                  # sgd, l2
#   run(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.3))    # momentum, l2
#   run(lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.3))                 # adam, l2
#   run(lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.3))                # adamw
#   run(lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.02 / 0.1))         # adamw, the paper's form
#   run(lambda p: torch.optim.SGD(p, 0.1), before=lambda w: 0.3 * sign(w))    # sgd, l1
#   run(lambda p: torch.optim.Adam(p, 0.1), before=lambda w: 0.3 * sign(w))   # adam, l1
#   run(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), after=lambda w: shrink(w, 0.1 * 3.0))  # momentum, proximal l1
#   run(lambda p: torch.optim.Adam(p, 0.1), after=lambda w: shrink(w, 0.1 * 3.0))               # adam, proximal l1
TORCH = {
    "sgd, l2": [
        [1.050193, -1.807564, 0.509836],
        [0.976643, -1.866942, 0.48357],
        [1.002608, -1.732456, 0.394189],
        [0.809052, -1.707759, 0.505696],
        [0.880607, -1.816528, 0.470237],
    ],
    "momentum, l2": [
        [1.050193, -1.807564, 0.509836],
        [1.021817, -1.69375, 0.492423],
        [1.020888, -1.462026, 0.387104],
        [0.825947, -1.236891, 0.404036],
        [0.721549, -1.157164, 0.386866],
    ],
    "adam, l2": [
        [1.1, -1.9, 0.6],
        [1.075376, -1.856729, 0.551066],
        [1.072714, -1.793393, 0.478484],
        [1.019298, -1.735467, 0.482646],
        [0.991806, -1.712932, 0.47338],
    ],
    "adamw": [
        [1.07, -1.84, 0.585],
        [1.062671, -1.782416, 0.598658],
        [1.080433, -1.701043, 0.528854],
        [1.021371, -1.635598, 0.538787],
        [0.994607, -1.611973, 0.536751],
    ],
    "adamw, the paper's form": [
        [1.08, -1.86, 0.59],
        [1.083171, -1.820416, 0.609408],
        [1.11115, -1.756107, 0.545375],
        [1.062278, -1.706571, 0.560266],
        [1.04491, -1.697883, 0.563189],
    ],
    "sgd, l1": [
        [1.050193, -1.837564, 0.494836],
        [0.978149, -1.921169, 0.453866],
        [1.003413, -1.812691, 0.348991],
        [0.809935, -1.809968, 0.442324],
        [0.875762, -1.93997, 0.392036],
    ],
    "adam, l1": [
        [1.1, -1.9, 0.4],
        [1.077224, -1.874496, 0.317795],
        [1.07798, -1.824912, 0.235081],
        [1.025686, -1.783553, 0.219983],
        [0.999492, -1.782251, 0.190175],
    ],
    "momentum, proximal l1": [
        [0.780193, -1.567564, 0.224836],
        [0.510322, -1.261976, 0.0],
        [0.292704, -0.87847, 0.0],
        [0.0, -0.53059, 0.0],
        [0.0, -0.347501, 0.0],
    ],
    "adam, proximal l1": [
        [0.8, -1.6, 0.3],
        [0.524771, -1.297616, 0.031208],
        [0.274413, -0.969716, 0.0],
        [0.0, -0.655302, 0.0],
        [0.0, -0.380745, 0.0],
    ],
}
SGD, MOMENTUM, ADAM = optax.sgd(0.1), optax.sgd(0.1, momentum=0.9), optax.adam(0.1)
JREG = {
    "sgd, l2": optax.chain(optim.add_l2(0.3), SGD),
    "momentum, l2": optax.chain(optim.add_l2(0.3), MOMENTUM),
    "adam, l2": optax.chain(optim.add_l2(0.3), ADAM),
    "adamw": optim.with_decoupled_decay(ADAM, 0.3, learning_rate=0.1),
    "adamw, the paper's form": optim.with_decoupled_decay(ADAM, 0.02),
    "sgd, l1": optax.chain(optim.add_l1(0.3), SGD),
    "adam, l1": optax.chain(optim.add_l1(0.3), ADAM),
    "momentum, proximal l1": optax.chain(MOMENTUM, optim.prox_l1(3.0, 0.1)),
    "adam, proximal l1": optax.chain(ADAM, optim.prox_l1(3.0, 0.1)),
}


@pytest.mark.parametrize("rule", TORCH)
def test_trajectories_are_those_of_torch(rule):
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        path = trajectory(JREG[rule], jnp.asarray(START, jnp.float32), jnp.asarray(GRADIENTS, jnp.float32))
    np.testing.assert_allclose(jnp.stack(path), TORCH[rule], rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(jnp.stack(path) == 0.0, np.array(TORCH[rule]) == 0.0)
