"""The state of a run that has made no step."""

import jax
import jax.numpy as jnp
import optax

from jreg import train


def test_a_new_state_holds_what_it_was_given_and_no_step():
    params = {"kernel": jnp.ones((2, 2))}
    state = train.init_state(params, optax.sgd(0.1, momentum=0.9), model_state={"mean": jnp.zeros(2)})
    assert state.params is params
    assert int(state.step) == 0
    assert jax.tree.structure(state.opt_state) == jax.tree.structure(optax.sgd(0.1, momentum=0.9).init(params))


def test_its_tree_does_not_depend_on_a_value():
    states = [train.init_state(jnp.ones(2), optax.sgd(rate)) for rate in (0.1, 0.2)]
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
