"""Learning curves: gaps, the onset of over-fitting, and histories that end in NaN."""

from math import inf, nan

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose

TRAIN = [1.0, 0.5, 0.2, 0.1]
VALID = [1.1, 0.7, 0.8, 0.9]


def found(train, valid, **options) -> dict:
    diagnosis = diagnose.curves(jnp.array(train, jnp.float32), jnp.array(valid, jnp.float32), **options)
    return {name: np.asarray(value) for name, value in diagnosis._asdict().items()}


def assert_found(diagnosis, **expected):
    for name, value in expected.items():
        np.testing.assert_allclose(diagnosis[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_worked_example():
    assert_found(found(TRAIN, VALID), best_step=1, best_value=0.7, gap_at_best=0.2, final_gap=0.8, onset=1, setback=0.2)


@pytest.mark.parametrize(
    ("train", "valid", "onset"),
    [
        ([1.0, 0.5, 0.2], [1.1, 0.7, 0.4], -1),
        ([1.0, 0.5, 0.7], [1.1, 0.7, 0.9], -1),
        ([1.0, 0.5, 0.5], [1.1, 0.7, 0.9], -1),
        ([1.0, 0.9, 0.8], [0.5, 0.6, 0.7], 0),
        ([1.0, 0.5, 0.2], [0.7, 0.7, 0.7], -1),
        ([1.0], [1.0], -1),
        ([1.0, 0.5, 0.4, 0.3], [1.0, 0.6, 0.9, 0.6], -1),
    ],
    ids=["improving", "diverging", "training stands", "from the start", "flat", "one step", "recovered"],
)
def test_over_fitting_is_validation_worse_while_training_is_better(train, valid, onset):
    assert found(train, valid)["onset"] == onset


def test_the_first_of_equal_bests_is_the_best():
    assert found([1.0, 0.8, 0.6, 0.4], [0.5, 0.3, 0.3, 0.4])["best_step"] == 1


@pytest.mark.parametrize(("tolerance", "onset"), [(0.0, 1), (0.19, 1), (0.21, -1), (inf, -1)])
def test_a_setback_within_the_tolerance_is_none(tolerance, onset):
    assert found(TRAIN, VALID, tolerance=tolerance)["onset"] == onset


def test_mode_max_is_mode_min_of_the_negated_curves():
    lower = found(TRAIN, VALID)
    higher = found([-value for value in TRAIN], [-value for value in VALID], mode="max")
    assert_found(higher, **{**lower, "best_value": -lower["best_value"]})


def test_the_history_past_a_stop_is_passed_over():
    assert_found(found([*TRAIN, nan, nan], [*VALID, nan, nan]), **found(TRAIN, VALID))


def test_missing_values_anywhere_are_passed_over():
    diagnosis = found([nan, 1.0, 0.5, 0.2, 0.1, 0.0], [0.0, 1.1, 0.7, nan, 0.9, nan])
    assert_found(diagnosis, best_step=2, best_value=0.7, final_gap=0.8, onset=2, setback=0.2)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_without_any_value_nothing_is_found(mode):
    diagnosis = found([1.0, 0.5], [nan, nan], mode=mode)
    assert (diagnosis["best_step"], diagnosis["onset"]) == (-1, -1)
    assert all(np.isnan(diagnosis[name]) for name in ("best_value", "gap_at_best", "final_gap", "setback"))


def test_the_best_step_has_a_value_even_if_all_values_are_infinite():
    diagnosis = found([nan, 1.0, 0.5], [nan, inf, inf])
    assert (diagnosis["best_step"], diagnosis["onset"]) == (1, -1)
    assert diagnosis["best_value"] == inf


def test_it_runs_under_jit_and_vmap():
    trains, valids = jnp.array([TRAIN, TRAIN]), jnp.array([VALID, [1.1, 0.7, nan, nan]])
    mapped = jax.jit(jax.vmap(diagnose.curves))(trains, valids)
    assert mapped.onset.tolist() == [1, -1]
    for lane in range(2):
        single = diagnose.curves(trains[lane], valids[lane])
        for got, expected in zip(mapped, single, strict=True):
            np.testing.assert_allclose(got[lane], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_curves_of_every_precision_are_read(dtype):
    diagnosis = diagnose.curves(jnp.array(TRAIN, dtype), jnp.array(VALID, dtype))
    assert int(diagnosis.onset) == 1
    assert diagnosis.best_value.dtype == jnp.dtype(dtype)


def test_narrow_curves_are_read_in_x64_mode():
    with jax.enable_x64(True):
        diagnosis = diagnose.curves(np.array(TRAIN, np.float32), np.array(VALID, np.float32), tolerance=0.1)
        assert int(diagnosis.onset) == 1


def test_a_traced_tolerance_can_be_mapped_over_and_a_bad_one_finds_no_onset():
    onsets = jax.vmap(lambda tolerance: diagnose.curves(jnp.array(TRAIN), jnp.array(VALID), tolerance=tolerance).onset)
    assert onsets(jnp.array([0.0, 0.1, 0.3, -1.0, nan])).tolist() == [1, 1, -1, -1, -1]


def test_the_diagnosis_in_words():
    said = {
        "over-fitting": diagnose.curves(jnp.array(TRAIN), jnp.array(VALID)).describe(),
        "none": diagnose.curves(jnp.array(TRAIN), jnp.array(TRAIN) + 0.1).describe(),
        "diverged": diagnose.curves(jnp.array(TRAIN), jnp.full(4, nan)).describe(),
    }
    assert said == {
        "over-fitting": "Best at step 1 (0.7, gap 0.2). Over-fitting since: validation then lost 0.2 while training "
        "improved, and the final gap is 0.8.",
        "none": "Best at step 3 (0.2, gap 0.1). No over-fitting: the final gap is 0.1.",
        "diverged": "No validation value is a number: the run diverged from the start.",
    }


@pytest.mark.parametrize(
    ("train", "valid"), [(jnp.ones(3), jnp.ones(4)), (jnp.ones(0), jnp.ones(0)), (jnp.ones((2, 2)), jnp.ones((2, 2)))]
)
def test_curves_that_do_not_match_are_refused(train, valid):
    with pytest.raises(ValueError, match=r"^curves: train and valid must be one-dimensional and of one length; got"):
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
    with pytest.raises(ValueError, match=r"^curves: mode must be one of 'min', 'max'; got 'loss'"):
        diagnose.curves(jnp.ones(2), jnp.ones(2), mode="loss")
