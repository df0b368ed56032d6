"""Learning curves: the states of constructed runs, the onset, histories that end in NaN, seeds, bad input."""

from math import inf, log, nan

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from benchmarks import diagnosis as constructed
from jreg import diagnose, train

TRAIN = [1.0, 0.5, 0.2, 0.1]
VALID = [1.1, 0.7, 0.8, 0.9]
EPOCHS = np.arange(30)
FALL = np.exp(-EPOCHS / 3)


def found(train, valid, **options) -> diagnose.Diagnosis:
    return diagnose.curves(jnp.asarray(train, jnp.float32), jnp.asarray(valid, jnp.float32), **options)


def assert_found(diagnosis, **expected):
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(diagnosis, name), value, rtol=1e-5, atol=1e-5, err_msg=name)


def rising_to(end, size=30):
    """Scores that rise from a tenth to their end."""
    return end - (end - 0.1) * np.exp(-np.arange(size) / 3)


def test_the_worked_example():
    assert_found(found(TRAIN, VALID), best_step=1, best_value=0.7, gap_at_best=0.2, final_gap=0.8, onset=1, setback=0.2)
    assert found(TRAIN, VALID).name == "over-fitting"


def is_severe(diagnosis) -> bool:
    return bool(diagnosis.severity >= 0.2)


def test_the_articles_table_of_accuracies_gets_its_names():
    """99.8 and 72.1 % are severe over-fitting, 97.2 and 89.4 % mild; 88.5 and 87.9 % are below what 89.4 % shows to be
    possible: slight under-fitting."""
    severe, mild, heavy = (
        found(rising_to(a), rising_to(b), mode="max", baseline=0.894)
        for a, b in ((0.998, 0.721), (0.972, 0.894), (0.885, 0.879))
    )
    assert (severe.name, is_severe(severe)) == ("over-fitting", True)
    assert (mild.name, is_severe(mild)) == ("over-fitting", False)
    assert heavy.name == "under-fitting"
    assert 0.27 < float(severe.final_gap) < 0.28


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_row_of_that_table_alone_is_read_too(size):
    diagnosis = found(np.full(size, 0.998), np.full(size, 0.721), mode="max")
    assert (diagnosis.name, is_severe(diagnosis)) == ("over-fitting", True)


def test_a_validation_loss_that_stalls_while_training_improves_is_over_fitting_since_then():
    diagnosis = found(np.linspace(0.6, 0.0, 30), np.full(30, 0.5))
    assert (diagnosis.name, int(diagnosis.sign), int(diagnosis.onset)) == ("over-fitting", 2, 0)


def test_two_flat_curves_are_under_fitting_beside_a_baseline_and_undecided_without():
    flat = np.full(30, 2.3)
    assert found(flat, flat, baseline=log(10)).name == "under-fitting"
    assert found(flat, flat).name == "undecided"
    assert found(flat, flat, baseline=3.5).name == "healthy"


@pytest.mark.parametrize(
    ("train", "valid", "name", "onset"),
    [
        (0.1 + FALL, 0.1 + FALL, "healthy", -1),
        (0.1 + FALL, 0.101 + FALL + 0.001 * (-1.0) ** EPOCHS, "healthy", -1),
        (1 - EPOCHS / 60, 1.01 - EPOCHS / 60, "still improving", -1),
        (0.1 + FALL, 0.1 + FALL + 0.02 * np.maximum(EPOCHS - 20, 0), "over-fitting", 20),
        (0.1 + FALL - 0.01 * np.maximum(EPOCHS - 20, 0), 0.1 + FALL, "over-fitting", 12),
        (0.1 + FALL, 0.4 + FALL, "over-fitting", 12),
        (0.1 + FALL + 0.2 * np.maximum(EPOCHS - 20, 0), 0.1 + FALL + 0.2 * np.maximum(EPOCHS - 20, 0), "diverged", -1),
        (np.where(EPOCHS < 20, 0.1 + FALL, inf), np.where(EPOCHS < 20, 0.1 + FALL, inf), "diverged", -1),
        (np.full(30, nan), np.full(30, nan), "diverged", -1),
    ],
    ids=["healthy", "a wiggle", "improving", "rises", "stalls", "gap", "diverges", "inf", "nan"],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_each_state_by_the_simplest_run_of_its_kind(train, valid, name, onset, mode):
    sign = 1.0 if mode == "min" else -1.0
    diagnosis = found(sign * train, sign * valid, mode=mode)
    assert diagnosis.name == name
    assert abs(int(diagnosis.onset) - onset) <= 1


@pytest.mark.thorough
def test_constructed_curves_by_the_hundred_and_their_false_alarms():
    """The bars are what `python -m benchmarks.diagnosis` measures on 4000 lanes, less what 800 may miss."""
    for name, least in (("losses and a baseline", 0.7), ("scores and no baseline", 0.75)):
        trial = constructed.TRIALS[name]
        lanes = constructed.lanes(7, 800, trial)
        measured = constructed.measured(lanes, constructed.diagnosed(lanes, trial))
        assert measured["false_alarms"] <= 0.015
        assert measured["precision"] >= 0.98
        assert min(measured["recall"].values()) >= least
        assert min(measured["recall"][kind] for kind in ("rises", "stalls", "gap", "noise alone")) >= 0.9
        assert abs(measured["onset_error_quantiles"]["50 %"]) <= 0.05


def test_noise_is_measured_from_the_curve_itself():
    draws = np.random.default_rng(0).normal(size=400)
    fall = np.exp(-np.arange(400) / 40)
    diagnosis = found(fall + 0.01 * draws, fall + 0.03 * draws[::-1])
    np.testing.assert_allclose([diagnosis.train_noise, diagnosis.valid_noise], [0.01, 0.03], rtol=0.15)


def test_noise_passes_over_jumps_and_a_smooth_curve_has_none():
    jump = np.where(np.arange(100) < 70, 1.0, 0.3) + np.linspace(0.2, 0.0, 100)
    assert float(found(jump, jump).valid_noise) < 1e-6
    smooth = np.exp(-np.arange(100) / 30)
    assert float(found(smooth, smooth).valid_noise) < 1e-3


def test_one_example_more_or_less_of_a_small_set_is_noise():
    """An accuracy on 50 rows that comes to .80 and drops to .78 for the last third."""
    train, valid = (np.round((top - FALL / 2) * 50) / 50 for top in (0.8, np.where(EPOCHS < 20, 0.8, 0.78)))
    diagnosis = found(train, valid, mode="max")
    assert float(diagnosis.valid_noise) >= 0.0099
    assert diagnosis.name == "healthy"


def test_a_single_spike_is_no_setback():
    curve = 0.1 + np.exp(-np.arange(100) / 8)
    valid = curve + 0.01
    valid[97] += 1.0
    assert found(curve, valid).name == "healthy"


@pytest.mark.parametrize(("tolerance", "is_found"), [(0.0, True), (0.15, True), (0.21, False), (inf, False)])
def test_changes_within_the_tolerance_count_for_nothing(tolerance, is_found):
    valid = 0.1 + FALL + 0.02 * np.maximum(EPOCHS - 19, 0)
    assert (found(0.1 + FALL, valid, tolerance=tolerance).name == "over-fitting") == is_found


def test_mode_max_is_mode_min_of_the_negated_curves():
    lower, higher = found(TRAIN, VALID), found([-v for v in TRAIN], [-v for v in VALID], mode="max")
    negated = {"best_value", "train_end", "valid_end"}
    for name, value in lower._asdict().items():
        np.testing.assert_allclose(getattr(higher, name), -value if name in negated else value, rtol=1e-6, err_msg=name)


def test_the_history_past_a_stop_is_passed_over():
    valid = 0.1 + FALL + 0.02 * np.maximum(EPOCHS - 20, 0)
    padded = (np.concatenate([curve, np.full(11, nan)]) for curve in (0.1 + FALL, valid))
    assert_found(found(*padded), **found(0.1 + FALL, valid)._asdict())


def test_missing_values_anywhere_are_passed_over():
    """Validation at every third epoch: the run of these epochs, whose steps count as the whole run's."""
    valid = 0.1 + FALL + 0.02 * np.maximum(EPOCHS - 20, 0)
    spread = [np.full(92, nan), np.full(92, nan)]
    for curve, values in zip(spread, (0.1 + FALL, valid), strict=True):
        curve[2::3][:30] = values
    spread[0] = np.where(np.isnan(spread[0]), 5.0, spread[0])
    dense, sparse = found(0.1 + FALL, valid), found(*spread)
    assert int(sparse.onset) == 3 * int(dense.onset) + 2
    assert int(sparse.best_step) == 3 * int(dense.best_step) + 2
    same = set(dense._fields) - {"onset", "best_step"}
    assert_found(sparse, **{name: getattr(dense, name) for name in same})


@pytest.mark.parametrize("mode", ["min", "max"])
def test_without_any_value_the_run_diverged(mode):
    diagnosis = found([1.0, 0.5], [nan, nan], mode=mode)
    assert (diagnosis.name, int(diagnosis.best_step), int(diagnosis.onset)) == ("diverged", -1, -1)
    assert int(diagnosis.num_seeds) == 0


def test_the_best_step_has_a_value_even_if_all_values_are_infinite():
    diagnosis = found([nan, 1.0, 0.5], [nan, inf, inf])
    assert (diagnosis.name, int(diagnosis.best_step)) == ("diverged", 1)


@pytest.mark.thorough
def test_a_sweep_diagnoses_itself_setting_by_setting():
    """Leading axes, vmap and one call each say the same."""
    trial = constructed.Trial()
    lanes = [lane for lane in constructed.lanes(3, 400, trial) if lane.train.size == 50][:4]
    pair = [np.stack([getattr(lane, name) for lane in lanes]).astype(np.float32) for name in ("train", "valid")]
    whole, mapped = diagnose.curves(*pair), jax.jit(jax.vmap(diagnose.curves))(*(curve[:, 0] for curve in pair))
    for row in range(len(lanes)):
        single = diagnose.curves(*(curve[row, 0] for curve in pair))
        for name, value in single._asdict().items():
            np.testing.assert_allclose(getattr(whole, name)[row], value, rtol=1e-4, atol=1e-5, err_msg=name)
            np.testing.assert_allclose(getattr(mapped, name)[row], value, rtol=1e-4, atol=1e-5, err_msg=name)
    assert whole.name.tolist() == [diagnose.Diagnosis.STATES[state] for state in mapped.state.tolist()]
    grid = diagnose.curves(*(curve.reshape(2, 2, 1, -1) for curve in pair))
    assert grid.state.tolist() == whole.state.reshape(2, 2).tolist()


def test_several_seeds_make_students_interval_and_see_through_noise():
    scipy_stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(1)
    valid = 0.1 + FALL + 0.02 * np.maximum(EPOCHS - 15, 0)
    noisy = [curve + 0.1 * generator.normal(size=(12, 30)) for curve in (0.1 + FALL, valid)]
    assert found(*(curve[0] for curve in noisy)).name == "undecided"
    several = found(*noisy)
    assert (several.name, int(several.num_seeds)) == ("over-fitting", 12)
    offsets = generator.normal(size=(5, 1))
    shifted = found(np.tile(0.1 + FALL, (5, 1)), 3.0 + offsets + FALL)
    half = scipy_stats.t.ppf(0.975, 4) * offsets.std(ddof=1) / 5**0.5
    assert_found(shifted, final_gap=2.9 + offsets.mean(), gap_interval=half)


def test_seeds_that_stopped_at_different_epochs_or_never_started_are_read_together():
    train, valid = np.tile(0.1 + FALL, (4, 1)), np.tile(0.4 + FALL, (4, 1))
    train[1, 20:], valid[1, 20:] = nan, nan
    valid[2] = nan
    diagnosis = found(train, valid)
    assert (diagnosis.name, int(diagnosis.num_seeds)) == ("over-fitting", 3)
    assert_found(diagnosis, final_gap=0.3)
    valid[:3] = nan
    assert found(train, valid).name == "diverged"


def test_the_histories_of_a_result_are_taken_as_they_are():
    histories = {"loss": 0.1 + FALL, "accuracy": 1 - FALL}, {"loss": 0.4 + FALL, "accuracy": 1 - FALL}
    assert diagnose.curves(*histories).name == "over-fitting"
    assert diagnose.curves(*histories, metric="accuracy", mode="max").name == "healthy"
    assert {"train_history", "valid_history"} <= set(train.FitResult._fields) & set(train.RunResult._fields)


@pytest.mark.thorough
def test_a_sweep_of_real_fits_is_taken_as_it_is():
    """Regression on 30 rows of 20 columns: with noisy targets it over-fits, without it does not."""

    def loss_of(params, batch):
        return jnp.mean((batch[0] @ params - batch[1]) ** 2)

    step = train.make_step(lambda params, _, key, batch, hyper: (loss_of(params, batch), ((), {})), optax.sgd(0.05))
    evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_of(params, batch)})

    def fit_one(key, noise):
        x_key, noise_key, fit_key = jax.random.split(key, 3)
        x = jax.random.normal(x_key, (130, 20))
        y = x @ jnp.ones(20) + noise * jax.random.normal(noise_key, (130,))
        training, valid = ((x[part], y[part]) for part in (slice(30), slice(30, None)))
        state = train.init_state(jnp.zeros(20), optax.sgd(0.05))
        return train.fit(step, evaluate, state, fit_key, training, valid, noise, batch_size=30, epochs=200)

    result = train.sweep(fit_one, jax.random.split(jax.random.key(0), 4), jnp.array([0.0, 3.0]))
    diagnosis = diagnose.curves(result.train_history, result.valid_history)
    assert diagnosis.name.tolist() == ["healthy", "over-fitting"]
    assert diagnosis.num_seeds.tolist() == [4, 4]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_curves_of_every_precision_are_read(dtype):
    diagnosis = diagnose.curves(jnp.array(TRAIN, dtype), jnp.array([1.1, 0.7, 1.1, 1.5], dtype))
    assert int(diagnosis.best_step) == 1
    assert diagnosis.best_value.dtype == jnp.dtype(dtype)


@pytest.mark.thorough
def test_narrow_curves_are_read_in_x64_mode():
    with jax.enable_x64(True):
        diagnosis = diagnose.curves(np.array(TRAIN, np.float32), np.array(VALID, np.float32), tolerance=0.1)
        assert int(diagnosis.onset) == 1


def test_traced_numbers_can_be_mapped_over_and_bad_ones_decide_nothing():
    def state(tolerance, baseline):
        return diagnose.curves(jnp.array(TRAIN), jnp.array(VALID), tolerance=tolerance, baseline=baseline).state

    tolerances, baselines = jnp.array([0.0, -1.0, nan, 0.0]), jnp.array([2.3, 2.3, 2.3, nan])
    names = [diagnose.Diagnosis.STATES[i] for i in jax.vmap(state)(tolerances, baselines)]
    assert names == ["over-fitting", "undecided", "undecided", "undecided"]


@pytest.mark.parametrize(
    ("train", "valid"),
    [
        (jnp.ones(3), jnp.ones(4)),
        (jnp.ones(0), jnp.ones(0)),
        (jnp.ones(()), jnp.ones(())),
        (jnp.ones((2, 3)), jnp.ones(3)),
    ],
)
def test_curves_that_do_not_match_are_refused(train, valid):
    with pytest.raises(
        ValueError, match=r"^curves: train and valid must be histories \(steps,\) or \(seeds, steps\) of"
    ):
        diagnose.curves(train, valid)


@pytest.mark.parametrize("bad", [[1.0, 2.0], jnp.arange(2), None], ids=repr)
def test_what_is_no_array_of_floats_is_refused(bad):
    with pytest.raises(TypeError, match=r"^curves: train must be an array"):
        diagnose.curves(bad, jnp.ones(2))
    with pytest.raises(TypeError, match=r"^curves: valid must be an array"):
        diagnose.curves(jnp.ones(2), bad)


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"^curves: tolerance must be at least 0; got -1"):
        diagnose.curves(jnp.ones(2), jnp.ones(2), tolerance=-1)
    with pytest.raises(ValueError, match=r"^curves: baseline must be a number other than NaN; got nan"):
        diagnose.curves(jnp.ones(2), jnp.ones(2), baseline=nan)
    with pytest.raises(ValueError, match=r"^curves: mode must be one of 'min', 'max'; got 'loss'"):
        diagnose.curves(jnp.ones(2), jnp.ones(2), mode="loss")
    with pytest.raises(ValueError, match=r"^curves: metric must be one of \['loss'\], the names in valid; got 'score'"):
        diagnose.curves(jnp.ones(2), {"loss": jnp.ones(2)}, metric="score")
