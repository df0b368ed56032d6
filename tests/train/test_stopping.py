"""Early stopping: which check is best, when it stops, and where it may live."""

from math import inf, nan

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import train


@jax.jit
def _update(stopping, value, params, patience, min_delta):
    return train.update_stopping(stopping, value, params, patience, min_delta)


@jax.jit
def _update_max(stopping, value, params, patience, min_delta):
    return train.update_stopping(stopping, value, params, patience, min_delta, mode="max")


def run(values, patience=inf, min_delta=0.0, mode="min") -> list[train.Stopping]:
    """The stopping after every value; the params of a check are its number."""
    update = {"min": _update, "max": _update_max}[mode]
    stoppings, stopping = [], train.init_stopping(jnp.float32(-1.0))
    for step, value in enumerate(values):
        stopping = update(stopping, value, jnp.float32(step), patience, min_delta)
        stoppings.append(stopping)
    return stoppings


def stops_after(values, *args, **kwargs) -> int:
    """The number of checks made when the run stops, 0 if it does not."""
    flags = [bool(stopping.should_stop) for stopping in run(values, *args, **kwargs)]
    return flags.index(True) + 1 if any(flags) else 0


@pytest.mark.parametrize(
    ("values", "best", "step"),
    [
        ([nan, 1.0, 0.5, 0.4], 0.4, 3),
        ([1.0, nan, 0.5, nan], 0.5, 2),
        ([inf, 1.0], 1.0, 1),
        ([inf, nan, 5.0], 5.0, 2),
        ([inf, nan], inf, 0),
        ([inf, inf], inf, 0),
        ([-inf, 5.0], -inf, 0),
        ([-inf, -inf, nan], -inf, 0),
        ([1.0, -inf, -inf], -inf, 1),
        ([1.0, inf, 0.5], 0.5, 2),
        ([nan, nan], nan, -1),
        ([], nan, -1),
        ([3.0, 1.0, 2.0, 1.0], 1.0, 1),
        ([0.0, -0.0], 0.0, 0),
    ],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_of_finite_infinite_and_missing_values(values, best, step, mode):
    """Bjarten/early-stopping-pytorch#16: NaN became the best; flax: inf then NaN, and -inf then 5.0, did."""
    sign = 1.0 if mode == "min" else -1.0
    final = run([sign * value for value in values], mode=mode)[-1] if values else train.init_stopping(jnp.float32(-1.0))
    np.testing.assert_array_equal(final.best_value, np.float32(sign * best))
    assert int(final.best_step) == step
    assert float(final.best_params) == step


@pytest.mark.parametrize(
    ("values", "patience", "checks"),
    [
        ([1.0, 0.9, 0.8], 0, 0),
        ([1.0, 1.0], 0, 2),
        ([1.0, 1.0], 1, 2),
        ([1.0] * 5, 2, 3),
        ([1.0, 1.0, 0.9, 0.9, 0.9], 2, 5),
        ([1.0, 1.1, 0.9, 1.0, 0.8, 1.0, 1.0], 2, 7),
        ([nan, nan, nan], 2, 2),
        ([nan, 1.0, nan, 0.5], 2, 0),
        ([1.0] * 50, inf, 0),
        ([1.0] * 4, 2.5, 4),
    ],
)
def test_the_run_stops_at_the_last_bad_check_that_patience_allows(values, patience, checks):
    """keras-team/keras#16393: patience 0 stopped a run that improved; modelscope/ms-swift#5326: no reset."""
    assert stops_after(values, patience) == checks


def test_the_counter_in_full():
    stoppings = run([1.0, 1.2, 0.9, 0.9, nan, 0.8], patience=3)
    assert [int(stopping.num_bad) for stopping in stoppings] == [0, 1, 0, 1, 2, 0]
    assert [int(stopping.num_checks) for stopping in stoppings] == [1, 2, 3, 4, 5, 6]
    assert [int(stopping.best_step) for stopping in stoppings] == [0, 0, 2, 2, 2, 5]


def test_an_improvement_must_exceed_min_delta():
    values = [1.0, 0.75, 0.5, 0.125]
    assert [float(stopping.best_value) for stopping in run(values, min_delta=0.25)] == [1.0, 1.0, 0.5, 0.125]
    assert stops_after([1.0, 0.95, 0.91], patience=2, min_delta=0.1) == 3
    assert float(run([5.0, -inf], min_delta=inf)[-1].best_value) == 5.0


def test_higher_is_better_in_mode_max():
    assert float(run([0.1, 0.5, 0.3], mode="max")[-1].best_value) == 0.5
    assert stops_after([0.5, 0.4, 0.3], patience=2, mode="max") == 3
    assert stops_after([0.3, 0.4, 0.5], patience=1, mode="max") == 0


def test_the_decision_stays():
    stoppings = run([1.0, 1.0, 0.5, 0.4], patience=1)
    assert [bool(stopping.should_stop) for stopping in stoppings] == [False, True, True, True]


def test_the_best_params_are_those_that_gave_the_best_value():
    """keras-team/keras#20323."""
    params = [{"w": jnp.full(2, step), "n": jnp.int32(step), "key": jax.random.key(step)} for step in range(4)]
    stopping = train.init_stopping(params[0])
    for value, tree in zip([3.0, 1.0, 2.0], params[1:], strict=True):
        stopping = train.update_stopping(stopping, value, tree, 5, 0.0)
    np.testing.assert_array_equal(stopping.best_params["w"], params[2]["w"])
    assert stopping.best_params["n"] == 2
    np.testing.assert_array_equal(*map(jax.random.key_data, (stopping.best_params["key"], params[2]["key"])))


def test_a_scan_a_loop_and_a_vmap_agree_with_python():
    values = jnp.array([[1.0, 0.5, 0.6, 0.7, 0.4], [nan, 1.0, 1.0, 1.0, 0.1]])
    expected = [run(row.tolist(), patience=2)[-1] for row in values]

    def update(stopping, value):
        return train.update_stopping(stopping, value, stopping.num_checks.astype(jnp.float32), 2, 0.0)

    def scanned(row):
        return jax.lax.scan(lambda stopping, value: (update(stopping, value), None), start, row)[0]

    def looped(row):
        return jax.lax.while_loop(
            lambda stopping: ~stopping.should_stop & (stopping.num_checks < 5),
            lambda stopping: update(stopping, row[stopping.num_checks]),
            start,
        )

    start = train.init_stopping(jnp.float32(-1.0))
    for lane, final in enumerate(expected):
        for got in (jax.tree.map(lambda leaf, lane=lane: leaf[lane], jax.vmap(scanned)(values)), scanned(values[lane])):
            jax.tree.map(np.testing.assert_array_equal, got, final)
    ends = jax.vmap(looped)(values)
    assert ends.num_checks.tolist() == [4, 4]
    assert ends.best_value.tolist() == [0.5, 1.0]


def test_patience_and_min_delta_can_be_mapped_over():
    values = jnp.array([1.0, 0.95, 0.9, 0.9, 0.9])

    def checks(patience, min_delta):
        def update(stopping, value):
            updated = train.update_stopping(stopping, value, (), patience, min_delta)
            return updated, updated.should_stop

        return jnp.sum(~jax.lax.scan(update, train.init_stopping(()), values)[1])

    assert jax.vmap(checks)(jnp.array([1.0, 2.0, 2.0, jnp.inf]), jnp.array([0.0, 0.0, 0.5, 0.0])).tolist() == [
        3,
        4,
        2,
        5,
    ]


@pytest.mark.parametrize("value", [0.5, jnp.float32(0.5), jnp.bfloat16(0.5), 1, np.float64(0.5)], ids=repr)
def test_the_state_keeps_its_type(value):
    start = train.init_stopping({"w": jnp.zeros(2, jnp.bfloat16)})
    updated = train.update_stopping(start, value, {"w": jnp.ones(2, jnp.bfloat16)}, 2, 0.0)
    jax.lax.cond(True, lambda: start, lambda: updated)
    assert jax.tree.map(lambda leaf: (leaf.dtype, leaf.weak_type), start) == jax.tree.map(
        lambda leaf: (leaf.dtype, leaf.weak_type), updated
    )


def test_one_trace_serves_every_patience():
    traces = _update._cache_size()
    for patience in (1.5, 2.5, inf):
        run([1.0, 2.0], patience)
    assert _update._cache_size() <= traces + 1


def test_the_state_keeps_its_type_in_x64_mode():
    with jax.enable_x64(True):
        start = train.init_stopping(jnp.zeros(2))
        updated = train.update_stopping(start, jnp.float64(0.5), jnp.ones(2), 2, 0.0)
        jax.lax.cond(True, lambda: start, lambda: updated)


@pytest.mark.parametrize("bad", [-1, -0.5, nan])
def test_a_bad_patience_or_min_delta_raises_when_concrete(bad):
    """keras-team/keras#23559."""
    start = train.init_stopping(())
    with pytest.raises(ValueError, match=r"^update_stopping: patience must be at least 0; got"):
        train.update_stopping(start, 1.0, (), bad, 0.0)
    with pytest.raises(ValueError, match=r"^update_stopping: min_delta must be at least 0; got"):
        train.update_stopping(start, 1.0, (), 1, bad)


@pytest.mark.parametrize("bad", [-1.0, nan])
def test_with_a_bad_traced_number_no_check_is_good(bad):
    for kwargs in ({"patience": bad}, {"min_delta": bad}):
        final = run([1.0, 0.5], **kwargs)[-1]
        assert jnp.isnan(final.best_value)
        assert int(final.best_step) == -1


@pytest.mark.parametrize("mode", ["auto", "Min", "", None])
def test_another_mode_is_refused(mode):
    with pytest.raises(ValueError, match=r"^update_stopping: mode must be one of 'min', 'max'; got"):
        train.update_stopping(train.init_stopping(()), 1.0, (), 1, 0.0, mode=mode)


@pytest.mark.parametrize("value", [None, "0.5", True, jnp.ones(2), [1.0]], ids=repr)
def test_a_value_that_is_no_scalar_is_refused(value):
    with pytest.raises(TypeError, match=r"^update_stopping: value must be a scalar; got"):
        train.update_stopping(train.init_stopping(()), value, (), 1, 0.0)


@pytest.mark.parametrize("value", [1j, jnp.complex64(1.0), np.bool_(True), jnp.array(True)], ids=repr)
def test_a_value_that_is_no_real_number_is_refused(value):
    with pytest.raises(TypeError, match=r"^update_stopping: value must be"):
        train.update_stopping(train.init_stopping(()), value, (), 1, 0.0)


def test_numbers_that_are_no_scalars_are_refused():
    """An array of patiences would widen the state: map over it instead."""
    start = train.init_stopping(())
    with pytest.raises(ValueError, match=r"^update_stopping: patience must be a scalar"):
        train.update_stopping(start, 1.0, (), jnp.ones(2), 0.0)
    with pytest.raises(ValueError, match=r"^update_stopping: min_delta must be a scalar"):
        train.update_stopping(start, 1.0, (), 1, jnp.ones(2))


@pytest.mark.parametrize(
    ("values", "warmup", "checks", "best"),
    [
        ([1.0, 2.0, 2.0, 2.0, 2.0], 0, 3, 0),
        ([1.0, 2.0, 2.0, 2.0, 2.0], 1, 3, 0),
        ([1.0, 2.0, 2.0, 2.0, 2.0], 2, 4, 0),
        ([1.0, nan, 2.0, 0.5, 2.0, 2.0], 3, 6, 3),
        ([1.0] * 5, inf, 0, 0),
    ],
)
def test_checks_of_the_warmup_may_be_best_but_are_never_bad(values, warmup, checks, best):
    update = jax.jit(
        lambda stopping, value, number: train.update_stopping(stopping, value, number, 2, 0.0, warmup=warmup)
    )
    stopping, flags = train.init_stopping(jnp.float32(-1.0)), []
    for number, value in enumerate(values):
        stopping = update(stopping, value, jnp.float32(number))
        flags.append(bool(stopping.should_stop))
    assert (flags.index(True) + 1 if any(flags) else 0, int(stopping.best_step)) == (checks, best)


@pytest.mark.parametrize("bad", [-1, nan])
def test_a_warmup_that_is_no_number_of_checks_is_refused(bad):
    start = train.init_stopping(())
    with pytest.raises(ValueError, match=r"^update_stopping: warmup must be at least 0; got"):
        train.update_stopping(start, 1.0, (), 1, 0.0, warmup=bad)
    traced = jax.jit(lambda warmup: train.update_stopping(start, 1.0, (), 1, 0.0, warmup=warmup))(float(bad))
    assert jnp.isnan(traced.best_value)


def test_values_are_compared_with_all_their_digits():
    with jax.enable_x64(True):
        for dtype, improves in (("float64", True), ("float32", False)):
            stopping = train.init_stopping(jnp.zeros(2))
            for value in (1e8, 1e8 - 1.0):
                stopping = train.update_stopping(stopping, jnp.asarray(value, dtype), jnp.zeros(2), 1, 0.0)
            assert (int(stopping.best_step) == 1) == improves
            assert stopping.best_value.dtype == jnp.float64
    assert train.init_stopping(jnp.zeros(2)).best_value.dtype == jnp.float32


@pytest.mark.parametrize("state", [None, {}, {"best_value": 1.0}, (1.0, 2.0)], ids=repr)
def test_what_is_no_stopping_is_refused(state):
    message = r"^update_stopping: stopping must be a Stopping, from init_stopping; got"
    with pytest.raises(TypeError, match=message):
        train.update_stopping(state, 1.0, jnp.zeros(2), 1, 0.0)


def test_no_value_yet_is_no_fault_where_jax_looks_for_nan():
    with jax.debug_nans(True):
        stopping = train.init_stopping(jnp.zeros(2))
        for value in (1.0, 0.5):
            stopping = train.update_stopping(stopping, value, jnp.zeros(2), 1, 0.0)
    assert int(stopping.best_step) == 1


# A baseline, as in Keras 3.11: a check that does not beat it may be the best, and still counts against the patience.


def stopped(values, baseline, patience=2, mode="min", min_delta=0.0):
    """The number of checks made, and the best of them."""
    stopping = train.init_stopping(jnp.float32(-1.0))
    for step, value in enumerate(values):
        stopping = train.update_stopping(
            stopping, value, jnp.float32(step), patience, min_delta, mode=mode, baseline=baseline
        )
        if stopping.should_stop:
            break
    return int(stopping.num_checks), float(stopping.best_params)


@pytest.mark.parametrize(
    ("values", "baseline", "mode", "expected"),
    [
        ([0.9, 0.8, 0.7, 0.6], 0.5, "min", (2, 1.0)),  # Never there: it stops, and keeps the best.
        ([0.9, 0.4, 0.45, 0.3, 0.35, 0.4], 0.5, "min", (6, 3.0)),
        ([0.6, 0.7, 0.9], 0.8, "max", (2, 1.0)),
        ([0.6, 0.9, 0.7, 0.8], 0.8, "max", (4, 1.0)),
        ([0.5, 0.5], 0.5, "min", (2, 0.0)),  # Equal is not beaten.
        ([3.0, 2.0, 1.0], None, "min", (3, 2.0)),
        ([3.0, nan, 1.0], inf, "min", (3, 2.0)),
    ],
)
def test_a_baseline_must_be_beaten_within_the_patience(values, baseline, mode, expected):
    assert stopped(values, baseline, mode=mode) == expected


def test_a_baseline_is_beaten_by_more_than_min_delta():
    assert stopped([0.45, 0.44, 0.43], 0.5, min_delta=0.2) == (2, 0.0)


def test_a_traced_baseline_of_nan_makes_no_check_good():
    update = jax.jit(lambda s, b: train.update_stopping(s, 0.1, jnp.float32(0.0), 3, 0.0, baseline=b))
    assert int(update(train.init_stopping(jnp.float32(0.0)), nan).num_bad) == 1
    with pytest.raises(ValueError, match=r"^update_stopping: baseline must be a number other than NaN; got nan"):
        train.update_stopping(train.init_stopping(jnp.float32(0.0)), 0.1, jnp.float32(0.0), 3, 0.0, baseline=nan)


def judged(values, smoothing, **options):
    stopping, options = train.init_stopping(jnp.zeros(())), {"patience": inf, "min_delta": 0.0} | options
    found = []
    for number, value in enumerate(values):
        stopping = train.update_stopping(stopping, value, jnp.float32(number), smoothing=smoothing, **options)
        found.append((float(stopping.best_value), int(stopping.best_step)))
    return found


def test_a_smoothed_value_is_the_mean_of_the_values_so_far_each_weighted_by_its_age():
    values = np.array([3.0, 1.0, 2.5, 0.5, 2.0])
    for number in range(1, 6):
        weights = 0.6 ** np.arange(number)[::-1]
        expected = np.sum(weights * values[:number]) / np.sum(weights)
        stopping = train.init_stopping(jnp.zeros(()))
        for value in values[:number]:
            stopping = train.update_stopping(stopping, value, jnp.zeros(()), inf, 0.0, smoothing=0.6)
        np.testing.assert_allclose(stopping.smoothed, expected, rtol=1e-6)


def test_one_lucky_check_is_not_the_best_of_a_smoothed_metric():
    values = [1.0, 0.9, 0.2, 0.8, 0.7, 0.6, 0.55, 0.5, 0.45]
    assert judged(values, 0.0)[-1] == (pytest.approx(0.2), 2)
    assert judged(values, 0.8)[-1][1] == 8


def test_smoothing_of_0_judges_each_value_alone():
    values = [3.0, inf, 2.0, nan, 0.1, 0.3]
    assert judged(values, 0.0) == [
        (3.0, 0),
        (3.0, 0),
        (2.0, 2),
        (2.0, 2),
        (pytest.approx(0.1), 4),
        (pytest.approx(0.1), 4),
    ]


def test_values_that_are_not_finite_spoil_no_mean():
    plain, holed = judged([3.0, 2.0, 1.0], 0.5), judged([3.0, nan, 2.0, inf, 1.0], 0.5)
    assert holed[-1][0] == plain[-1][0]
    assert holed[1] == holed[0]


@pytest.mark.parametrize("bad", [-0.1, 1.0, nan])
def test_a_smoothing_outside_its_interval_is_refused(bad):
    with pytest.raises(ValueError, match=r"^update_stopping: smoothing must be in \[0, 1\); got"):
        judged([1.0], bad)
    traced = jax.jit(lambda share: train.update_stopping(train.init_stopping(0.0), 1.0, 0.0, 1.0, 0.0, smoothing=share))
    with jax.debug_nans(False):
        assert int(traced(jnp.float32(bad)).best_step) == -1
