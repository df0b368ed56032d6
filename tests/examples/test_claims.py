"""The ledger of claims: its statistics, what its records say, its page, and a claim measured in its quick form."""

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from examples.claims import __main__ as command
from examples.claims import contrasts, data, effects, ledger, models, page, probes, records, stops, unmeasured
from examples.claims.arms import RATES, Program, active, fixed, tuned

ROOT = Path(__file__).parents[2]
STORED = records.read_all()
CLAIMS = ledger.claims()
FOLDER = Path(page.__file__).parent


@pytest.fixture(autouse=True)
def _standard_promotion():
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        yield


def test_an_effect_is_a_students_t_test():
    values, least = np.random.default_rng(0).normal(0.3, 1.0, 16), 1.0
    found = effects.effect(values, least)
    np.testing.assert_allclose(found.p_above, stats.ttest_1samp(values, 0.0).pvalue)
    np.testing.assert_allclose(found.p_below, stats.ttest_1samp(values, least).pvalue)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval()
    np.testing.assert_allclose((found.mean - found.half, found.mean + found.half), (low, high))
    opposite = effects.effect(-values, 0.0)
    assert opposite.p_above == 1.0
    np.testing.assert_allclose(opposite.p_below, found.p_above)


def test_numbers_without_any_spread_are_certain():
    assert effects.effect([0.1, 0.1], 0.0)[3:] == (0.0, 1.0)
    assert effects.effect([0.0, 0.0], 0.1)[3:] == (1.0, 0.0)
    assert effects.effect([0.0, 0.0], 0.0)[3:] == (1.0, 1.0)


def test_holms_correction_of_a_hand_worked_list():
    np.testing.assert_allclose(effects.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(effects.holm([0.9, 0.6]), [1.0, 1.0])


@pytest.mark.parametrize(
    ("p_above", "p_below", "expected"),
    [(0.01, 1.0, "holds"), (0.01, 0.01, "fails"), (1.0, 0.05, "fails"), (0.06, 0.06, "not shown")],
)
def test_the_rule_for_one_case(p_above, p_below, expected):
    assert effects.verdict(p_above, p_below) == expected


def made(mean: float, error: float) -> effects.Effect:
    return effects.Effect(mean, 2.0 * error, error, *effects._p_values(mean, error, 0.0, 15))


def test_cochrans_q_and_the_mean_by_precision():
    pair = [made(1.0, 0.5), made(3.0, 1.0)]
    # Q = 4 (1 - 1.4)^2 + 1 (3 - 1.4)^2 = 3.2 with one degree of freedom.
    np.testing.assert_allclose(effects.heterogeneity(pair), stats.chi2.sf(3.2, 1))
    together = effects.pooled(pair, 0.0, 15)
    np.testing.assert_allclose((together.mean, together.error), (1.4, 5**-0.5))


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ((made(1.0, 0.1), made(1.1, 0.1)), "holds"),
        ((made(1.0, 0.1), made(-1.0, 0.1)), "depends"),
        ((made(1.0, 0.1), made(0.0, 0.1)), "depends"),
        ((made(1.0, 0.1), made(0.9, 0.8)), "holds"),
        ((made(-1.0, 0.1), made(-0.9, 0.8)), "fails"),
        ((made(0.1, 0.1), made(-0.1, 0.1)), "not shown"),
    ],
)
def test_the_verdict_over_cases(pair, expected):
    assert effects.judge_all([pair], [0.0], [15])[0].overall == expected


def test_many_claims_make_the_rule_stricter():
    weak = made(0.3, 0.1)
    assert effects.judge_all([[weak]], [0.0], [15])[0].by_case == ["holds"]
    assert effects.judge_all([[weak]] * 50, [0.0] * 50, [15] * 50)[0].by_case == ["not shown"]


def test_patience_from_a_history():
    loss = np.array([[5.0, 4.0, 4.5, 4.6, 3.0, 3.5, 3.6, 3.7]])
    test = np.arange(8.0)[None]
    found = stops.stopped(
        {"valid loss by epoch": loss, "test accuracy by epoch": test, "valid accuracy by epoch": -loss}
    )
    assert [float(found[f"test accuracy, patience {p}"][0]) for p in (1, 2, 5)] == [1.0, 1.0, 4.0]
    assert [float(found[f"epochs, patience {p}"][0]) for p in (1, 2, 5, "never")] == [3.0, 4.0, 8.0, 8.0]
    assert float(found["test accuracy, best accuracy"][0]) == 4.0
    np.testing.assert_allclose(found["rise of the loss"], [3.7 / 3.0 - 1.0])


def test_contrasts_of_hand_made_scores():
    arm = fixed(decay=(0.1, 1.0, 10.0))
    scores = {
        "valid accuracy": np.array([[0.5, 0.5], [0.9, 0.8], [0.6, 0.6]]),
        "gap": np.array([[3.0, 1], [2, 1], [1, 1]]),
    }
    arms = {"a": contrasts.choose(arm, scores, "valid accuracy"), "b": contrasts.choose(arm, scores, "gap")}
    assert (arms["a"].chosen, arms["b"].chosen) == (1, 0)
    np.testing.assert_allclose(contrasts.more("a", "b", "gap").measure(arms), [-1.0, 0.0])
    np.testing.assert_allclose(contrasts.less("a", "b", "gap").measure(arms), [1.0, 0.0])
    np.testing.assert_allclose(contrasts.falling("a", "gap", "decay").measure(arms), [2.0, 0.0])
    np.testing.assert_allclose(contrasts.above("a", "gap", 0.5).measure(arms), [1.5, 0.5])
    np.testing.assert_allclose(contrasts.best_of(("a", "b"), ("b",), "gap").measure(arms), [-1.0, 0.0])
    np.testing.assert_allclose(contrasts.greater_gain(("a", "b"), ("b", "a"), "gap").measure(arms), [-2.0, 0.0])


def test_tuned_arms_have_as_many_settings_and_the_same_range_of_rates():
    assert len(tuned(6, decay=(1.0,)).settings) == len(tuned(6, decay=(0.1, 1.0, 3.0)).settings) == 6
    with pytest.raises(ValueError, match="num must be two or more times the 4 strengths"):
        tuned(6, decay=(0.1, 1.0, 3.0, 9.0))
    for claim in CLAIMS.values():
        for case in claim.cases.values():
            rates = {tuple(sorted({setting.rate for setting in arm.settings})) for arm in case.arms.values()}
            assert len({(len(arm.settings)) for arm in case.arms.values()}) == 1, claim.title
            assert {(min(values), max(values)) for values in rates} in ({RATES}, {(2e-3, 2e-3)}), claim.title


def test_every_claim_is_numbered_and_has_advice_for_every_verdict():
    for claim_id, claim in CLAIMS.items():
        assert records.order(claim_id)[0] == claim.number
        assert set(claim.advice) == set(effects.VERDICTS), claim_id
        assert page.source(claim.source)[0] in "ABCD", claim_id
    declared = {claim.number for claim in CLAIMS.values()}
    assert declared.isdisjoint(unmeasured.UNMEASURED)
    assert declared | set(unmeasured.UNMEASURED) == set(range(1, 81))


@pytest.mark.parametrize("claim_id", STORED)
def test_a_record_holds_what_its_claim_declares_and_follows_from_its_scores(claim_id):
    stored, claim = STORED[claim_id], CLAIMS[claim_id]
    assert (stored["statement"], stored["least"]) == (claim.statement, claim.least)
    assert list(stored["cases"]) == list(claim.cases)
    for name, case in stored["cases"].items():
        declared = claim.cases[name]
        assert (case["task"], case["seeds"]) == (declared.task, declared.num_seeds)
        arms = records.arms_of(declared, case)
        for arm_name, arm in arms.items():
            kept = case["arms"][arm_name]
            assert kept["settings"] == [records.describe(setting) for setting in declared.arms[arm_name].settings]
            assert all(scores.shape == (len(kept["settings"]), case["seeds"]) for scores in arm.scores.values())
            assert contrasts.choose(arm.arm, arm.scores, claim.choose_by).chosen == arm.chosen
        np.testing.assert_allclose(claim.contrast.measure(arms), case["values"], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            effects.effect(case["values"], claim.least), tuple(case["effect"].values()), rtol=1e-6
        )


def test_the_page_is_what_the_records_generate():
    found = page.entries(STORED, CLAIMS)
    assert (FOLDER / "README.md").read_text() == page.page(found, CLAIMS)
    assert (FOLDER / "which.md").read_text() == page.which(found)
    assert (FOLDER / "forest.png").read_bytes().startswith(b"\x89PNG")


def test_one_claim_is_measured_in_seconds(tmp_path, capsys):
    assert command.main(["3", "--quick", "--out", str(tmp_path)]) == 0
    assert "  3 zeros under L2, digits: +0.0010 ± 0.0000" in capsys.readouterr().out
    stored = json.loads((tmp_path / "records" / "3.json").read_text())
    assert stored["cases"]["digits"]["values"] == [1e-3, 1e-3]
    assert stored["cases"]["digits"]["arms"]["L2"]["scores"]["zeros"] == [[0.0, 0.0], [0.0, 0.0]]
    assert "zeros under L2" in (tmp_path / "README.md").read_text()
    assert command.main(["0", "--out", str(tmp_path)]) == 2
    assert "no claim 0; there are 2, 3" in capsys.readouterr().err.replace("1, ", "", 1)


@pytest.mark.thorough
def test_a_rerun_gives_the_same_digits(tmp_path):
    """In a process of its own, as the flags of the tests are not those of the record."""
    stored = STORED["3"]
    if stored["versions"]["jaxlib"] != __import__("jaxlib").__version__ or stored["machine"] != records.machine():
        pytest.skip("the record is of another machine or version")
    arguments = [sys.executable, "-m", "examples.claims", "3", "--out", str(tmp_path)]
    import os

    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    subprocess.run(arguments, cwd=ROOT, env=environment, check=True, capture_output=True)
    again = json.loads((tmp_path / "records" / "3.json").read_text())
    assert again["cases"] == stored["cases"]


def test_idx_files_are_read_packed_or_not(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)
    raw = struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(raw))
    np.testing.assert_array_equal(data._read_idx("train-images-idx3-ubyte"), images)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(raw)
    np.testing.assert_array_equal(data._read_idx("t10k-images-idx3-ubyte"), images)
    with pytest.raises(data.MissingDataError, match="apt-get install dataset-fashion-mnist"):
        data._read_idx("train-labels-idx1-ubyte")


def test_a_product_of_neighbours_is_a_convolution():
    first, second = jax.random.split(jax.random.key(0))
    x, kernel = jax.random.normal(first, (2, 6, 5, 3)), jax.random.normal(second, (27, 4))
    expected = jax.lax.conv_general_dilated(
        x, kernel.reshape(3, 3, 3, 4), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(models.neighbours(x) @ kernel, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(models.pooled(x)[0, 2, 1], x[0, 4:6, 2:4].max((0, 1)))


def test_the_area_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    familiar, strange = generator.integers(0, 9, 40) / 8, generator.integers(2, 12, 30) / 8
    expected = roc_auc_score(np.r_[np.zeros(40), np.ones(30)], np.r_[familiar, strange])
    found = probes.area(jnp.asarray(familiar), jnp.asarray(strange))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    chosen = familiar > 0.5
    expected = roc_auc_score(chosen, familiar)
    np.testing.assert_allclose(
        probes.area(jnp.asarray(familiar), jnp.asarray(familiar), ~chosen, chosen), expected, rtol=1e-5
    )


def test_a_program_has_places_for_what_its_arm_sets_alone():
    assert active(fixed(dropout=0.5)) == {"dropout", "decay", "coupled", "smoothing"}
    assert active(fixed(Program("residual"))) >= {"depth", "flat"}
