"""The examples for equinox and haiku learn, and the tools of jreg work on their trees."""

import jax
import jax.numpy as jnp
import pytest

pytest.importorskip("equinox")
pytest.importorskip("haiku")

import equinox as eqx
import haiku as hk

from examples import equinox_mlp, haiku_mlp
from jreg import optim


@pytest.mark.parametrize("example", [equinox_mlp, haiku_mlp], ids=["equinox", "haiku"])
def test_the_example_learns(example, capsys):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert example.main(["--steps", "60"]) > 0.8
    assert "test accuracy after 60 steps" in capsys.readouterr().out


def test_the_default_selection_finds_their_kernels_alone():
    params = eqx.filter(equinox_mlp.Model(jax.random.key(0), width=8), eqx.is_inexact_array)
    taken = [leaf for leaf, kept in zip(*map(jax.tree.leaves, (params, optim.kernels(params))), strict=True) if kept]
    assert [leaf.shape for leaf in taken] == [(8, 64), (10, 8)]
    model = hk.without_apply_rng(hk.transform(haiku_mlp.network))
    params = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, 0.0, None), jnp.ones((2, 64)))
    chosen = optim.kernels(params)
    assert {name: sorted(k for k, kept in leaves.items() if kept) for name, leaves in chosen.items()} == {
        "linear": ["w"],
        "linear_1": ["w"],
        "linear_2": ["w"],
    }
