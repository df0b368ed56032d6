"""flax's batch norm of a state, whose statistics the scan carries."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "batch-norm-in-recurrence"
NORM = nn.BatchNorm(use_running_average=False)


def run(params, variables, inputs):
    def step(carry, x):
        state, stats = carry
        new = jnp.tanh(x @ params["in"] + state @ params["state"])
        state, updated = NORM.apply({"params": variables["params"], "batch_stats": stats}, new, mutable=["batch_stats"])
        return (state, updated["batch_stats"]), None

    start = jnp.zeros((inputs.shape[1], 16)), variables["batch_stats"]
    return jax.lax.scan(step, start, inputs)[0]


def program():
    params = {"in": jnp.ones((4, 16)), "state": jnp.ones((16, 16))}
    variables = jax.eval_shape(lambda: NORM.init(jax.random.key(0), jnp.ones((16, 16))))
    return run, params, variables, jnp.ones((12, 16, 4))
