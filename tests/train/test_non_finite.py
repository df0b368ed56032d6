"""Numbers that are not finite: found at once, named, skipped or the end of the run; never saved, never the best."""

from math import nan

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import random, train

from .test_resume import StoppedError, stopping_at
from .test_run import EPOCHS, HYPER, KEY, NUM_STEPS, assert_same, make_state, run, shuffled, step


def poisoned(at, value=nan):
    def batches(epoch):
        for position, (x, y) in enumerate(shuffled(epoch)):
            yield (x, y * np.float32(value)) if epoch * NUM_STEPS + position in at else (x, y)

    return batches


def test_raise_names_the_step_and_nothing_bad_is_saved(tmp_path):
    for log_every in (1, 10):
        checkpoints = train.Checkpoints(tmp_path / str(log_every))
        with pytest.raises(FloatingPointError, match=r"run: the loss, .* must be finite; step 6 \(counted from 0"):
            run(checkpoints=checkpoints, train_batches=poisoned({6}), save_every=1, log_every=log_every)
        assert checkpoints.latest_step == 6
        assert jnp.isfinite(checkpoints.restore(make_state(), at="state").params["kernel"]).all()


def test_a_skipped_step_leaves_everything_as_it_was():  # optax#1746: statistics took the NaN in
    def without(epoch):
        return [batch for position, batch in enumerate(shuffled(epoch)) if epoch * NUM_STEPS + position != 6]

    still = {"hyper": {**HYPER, "rate": 0.0}}
    skipped = run(train_batches=poisoned({6}), non_finite="skip", **still)
    assert_same(skipped[:-2], run(train_batches=without, non_finite="skip", **still)[:-2])
    assert (skipped.num_skipped, int(skipped.last.step)) == (1, EPOCHS * NUM_STEPS - 1)


def test_every_step_may_be_skipped_and_resume_is_exact(tmp_path):
    options = {"train_batches": poisoned({1, 4, 5, 6, 7}), "non_finite": "skip", "log_every": 1}
    whole = run(**options)
    assert np.isnan(whole.train_history["loss"]).tolist() == [False, True, False]
    assert whole.num_skipped == 5
    with pytest.raises(StoppedError):
        run(**options, checkpoints=train.Checkpoints(tmp_path), save_every=1, callback=stopping_at(3))
    assert_same(run(**options, checkpoints=train.Checkpoints(tmp_path)), whole)


def test_the_step_after_a_skipped_one_draws_by_the_batches_taken():
    """A key by the updates made would draw the noise of the skipped step again."""
    run_step, state = jax.jit(step), make_state()
    for epoch in range(2):
        for position, batch in enumerate(shuffled(epoch)):
            taken = epoch * NUM_STEPS + position
            if taken != 2:
                state, _ = run_step(state, random.fold_in(KEY, taken), batch, HYPER)
    skipped = run(train_batches=poisoned({2}), non_finite="skip", epochs=2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), skipped.last, state)


def test_a_run_whose_last_epoch_skipped_every_step_has_diverged(tmp_path):
    every = {"non_finite": "skip", "train_batches": poisoned(range(100))}
    result = run(**every, checkpoints=train.Checkpoints(tmp_path))
    assert (result.status, result.num_skipped, int(result.last.step)) == ("diverged", EPOCHS * NUM_STEPS, 0)
    assert run(**every, checkpoints=train.Checkpoints(tmp_path)).status == "diverged"
    assert run(non_finite="skip", train_batches=poisoned({8, 9, 10, 11})).status == "diverged"
    assert run(non_finite="skip", train_batches=poisoned({4, 5, 6, 7})).status == "finished"


def test_stop_gives_the_last_good_state(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    result = run(train_batches=poisoned({6}), non_finite="stop", checkpoints=checkpoints)
    assert result.status == "diverged"
    assert (int(result.last.step), result.stopped_epoch, checkpoints.latest_step) == (6, 1, 4)
    up_to_6 = run(train_batches=lambda epoch: shuffled(epoch)[: 4 - 2 * epoch], epochs=2, non_finite="stop")
    assert_same(result.last, up_to_6.last)


def test_an_infinite_gradient_of_a_finite_loss_is_noticed():
    def root_loss(params, model_state, key, batch, hyper):
        return jnp.sqrt(jnp.sum(params**2)), (model_state, {})

    options = {
        "step": train.make_step(root_loss, optax.sgd(0.1)),
        "state": train.init_state(jnp.zeros(2), optax.sgd(0.1)),
    }
    options["evaluate"] = train.make_eval(lambda params, _, batch, hyper: {"loss": jnp.sum(params)})
    with pytest.raises(FloatingPointError, match="step 0 "):
        run(**options)
    assert run(**options, non_finite="skip", epochs=1).num_skipped == NUM_STEPS


def test_nan_is_never_best():
    values = iter([nan, 3.0, nan, 2.5, 2.75])
    judged = {"valid_batches": lambda epoch: [(np.ones((1, 1), np.float32), np.float32([[next(values)]]))]}
    measure = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.sum(batch[1])})
    result = run(evaluate=measure, epochs=5, **judged)
    assert (result.best_epoch, result.best_value) == (3, 2.5)
