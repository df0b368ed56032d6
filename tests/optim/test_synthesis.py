"""Post-hoc averages: those that were tracked, and the least squares of profiles on a fine grid."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim, train
from tests.optim.test_power import exponent

WANTED = (0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
STEPS, EVERY = 320, 20


def noisy_run():
    """Snapshots of two widths of a noisy least squares, and the directly tracked average of each width, by SGD."""
    rng = np.random.default_rng(0)
    solution, x = rng.normal(size=8), rng.normal(size=(STEPS, 4, 8)) * np.linspace(0.2, 1.0, 8)
    batches = jnp.asarray(x, jnp.float32), jnp.asarray(x @ solution + rng.normal(size=(STEPS, 4)), jnp.float32)
    averages = [optim.power_average(width, name=f"{width}") for width in WANTED]
    optimizer = optax.chain(optax.sgd(0.1), *averages)

    def step(carry, batch):
        w, state = carry
        x, y = batch
        updates, state = optimizer.update(jax.grad(lambda w: jnp.mean((x @ w - y) ** 2))(w), state, w)
        w = optax.apply_updates(w, updates)
        return (w, state), (w, state)

    start = jnp.zeros(8)
    _, (path, states) = jax.jit(lambda: jax.lax.scan(step, (start, optimizer.init(start)), batches))()
    every = [jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in range(EVERY - 1, STEPS, EVERY)]
    kept = [one for state in every for one in optim.take_snapshots(state) if float(one.sigma_rel) in FLOATS]
    return np.asarray(path), kept, {width: optim.averaged_params(every[-1], name=f"{width}") for width in WANTED}


FLOATS = {float(np.float32(width)) for width in (0.05, 0.1)}
PATH, SNAPSHOTS, TRACKED = noisy_run()


@pytest.mark.parametrize("width", WANTED)
def test_it_is_the_average_that_was_tracked(width):
    made = optim.synthesize_average(SNAPSHOTS, width)
    spread = np.abs(PATH[-STEPS // 2 :] - np.asarray(TRACKED[width])).mean()  # how far the weights themselves are
    error = np.abs(made - TRACKED[width]).mean()
    assert error < (1e-5 if width in (0.05, 0.1) else 0.03 * spread)


def test_an_earlier_step_is_the_snapshot_of_then():
    earlier = optim.synthesize_average(SNAPSHOTS, 0.1, step=STEPS - 4 * EVERY)
    (expected,) = (s.params for s in SNAPSHOTS if int(s.step) == STEPS - 4 * EVERY and float(s.sigma_rel) > 0.09)
    np.testing.assert_allclose(earlier, expected, atol=1e-4)


def on_grid(step, sigma_rel, grid):
    g = exponent(sigma_rel)
    return np.where(grid <= step, (g + 1.0) / step * (grid / step) ** g, 0.0)


@pytest.mark.parametrize("width", [0.07, 0.15])
def test_the_mix_is_the_least_squares_of_the_profiles(width):
    """On a fine grid, without the closed form of the inner products."""
    moments = [(step, sigma) for step in (25, 50, 75, 100) for sigma in (0.05, 0.1)]
    grid = (np.arange(40_000) + 0.5) / 400.0
    basis = np.stack([on_grid(*moment, grid) for moment in moments], axis=1)
    expected = np.linalg.lstsq(basis, on_grid(100, width, grid))[0]
    units = [optim.Snapshot(*moment, jnp.eye(8)[i]) for i, moment in enumerate(moments)]
    found = optim.synthesize_average(units, width, tolerance=0.2)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=2e-3)
    np.testing.assert_allclose(jnp.sum(found), 1.0, rtol=1e-5)


def test_a_profile_that_the_snapshots_cannot_make_is_refused():
    message = "synthesize_average: snapshots must come near the profile of width 0.01 at step 320, within a tolerance"
    with pytest.raises(ValueError, match=message):
        optim.synthesize_average(SNAPSHOTS, 0.01)
    assert jnp.isfinite(optim.synthesize_average(SNAPSHOTS, 0.01, tolerance=1.0)).all()
    with pytest.raises(ValueError, match="they miss it by"):
        optim.synthesize_average(SNAPSHOTS[-1:], 0.05)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"snapshots": []}, ValueError, "snapshots must hold at least one"),
        ({"snapshots": [1]}, TypeError, r"snapshots must be a list of Snapshots.*; got a list of \['int'\]"),
        ({"snapshots": SNAPSHOTS[:1] * 2}, ValueError, "snapshots must differ in step or sigma_rel"),
        (
            {"snapshots": [SNAPSHOTS[0]._replace(step=0)]},
            ValueError,
            r"snapshots\[0\].step must be .*at least 1; got 0",
        ),
        ({"sigma_rel": 0.3}, ValueError, r"sigma_rel must be in \(0, 0.288\d+\]; got 0.3"),
        ({"step": STEPS + 1}, ValueError, "step must be at most that of the last snapshot, 320; got 321"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be finite and at least 0; got -1.0"),
    ],
)
def test_bad_input_is_named(change, error, message):
    given = {"snapshots": SNAPSHOTS, "sigma_rel": 0.07} | change
    with pytest.raises(error, match=f"synthesize_average: {message}"):
        optim.synthesize_average(given.pop("snapshots"), given.pop("sigma_rel"), **given)


def test_a_traced_width_is_refused():
    with pytest.raises(TypeError, match="synthesize_average: sigma_rel must be a number that is not traced"):
        jax.jit(lambda width: optim.synthesize_average(SNAPSHOTS, width))(0.07)


def test_snapshots_come_back_from_a_checkpoint(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(SNAPSHOTS, 1, {})
    restored = checkpoints.restore(SNAPSHOTS)
    np.testing.assert_array_equal(*(optim.synthesize_average(found, 0.07) for found in (restored, SNAPSHOTS)))
