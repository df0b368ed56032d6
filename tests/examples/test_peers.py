"""The examples for nnx, linen, equinox and haiku learn, and the tools of jreg work on their trees."""

import jax
import jax.numpy as jnp
import pytest

pytest.importorskip("equinox")
pytest.importorskip("haiku")

import equinox as eqx

from examples import equinox_mlp, haiku_mlp, linen_mlp, nnx_mlp
from jreg import optim


@pytest.mark.sampled(4)
@pytest.mark.parametrize("example", [nnx_mlp, linen_mlp, equinox_mlp, haiku_mlp], ids=lambda module: module.__name__)
def test_the_example_learns_by_fit_by_sweep_and_by_run(example, capsys):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert example.main(["--epochs", "6"]) > 0.85
    printed = capsys.readouterr().out
    assert "fit: one compiled program; test accuracy 0.9" in printed
    assert "sweep: 3 rates x 4 seeds in one program\nrate" in printed
    assert "run: batches from the host, best epoch" in printed


def test_the_default_selection_finds_their_kernels_alone():
    params = eqx.filter(equinox_mlp.Model(jax.random.key(0), width=8), eqx.is_inexact_array)
    taken = [leaf for leaf, kept in zip(*map(jax.tree.leaves, (params, optim.kernels(params))), strict=True) if kept]
    assert [leaf.shape for leaf in taken] == [(8, 64), (10, 8)]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        params, _ = jax.eval_shape(
            lambda x: haiku_mlp.MODEL.init(jax.random.key(0), x, jax.random.key(1), 0.0), jnp.ones((2, 64))
        )
    chosen = optim.kernels(params)
    assert {name: sorted(k for k, kept in leaves.items() if kept) for name, leaves in chosen.items()} == {
        "batch_norm": [],
        "linear": ["w"],
        "linear_1": ["w"],
    }
