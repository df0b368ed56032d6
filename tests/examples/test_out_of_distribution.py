"""The study of strange images, in its quick form and as it is stored."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from examples import out_of_distribution

EXAMPLES = Path(out_of_distribution.__file__).parent


@pytest.mark.thorough
def test_the_quick_study_draws_and_stores_what_it_found(tmp_path, capsys):
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        assert out_of_distribution.main(["--quick", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "out_of_distribution.json").read_text())
    assert (tmp_path / "out_of_distribution.png").read_bytes().startswith(b"\x89PNG")
    areas = record["areas"]["held_out"]["mutual_information"]
    assert len(areas) == record["settings"]["seeds"] == 2
    assert min(areas) > 0.7
    assert f"{np.mean(areas):.3f} ±" in capsys.readouterr().out


def test_the_area_is_that_of_scikit_learn_ties_included():
    familiar, strange = np.array([0.1, 0.2, 0.2, 0.5]), np.array([0.2, 0.4, 0.6])
    truth = np.repeat([0, 1], [4, 3])
    expected = roc_auc_score(truth, np.concatenate([familiar, strange]))
    np.testing.assert_allclose(out_of_distribution.auroc(familiar, strange), expected)


def test_the_stored_study_says_where_the_samples_help_and_where_nothing_does():
    record = json.loads((EXAMPLES / "out_of_distribution.json").read_text())
    assert record["settings"]["seeds"] == 20
    means = {name: {score: np.mean(values) for score, values in by.items()} for name, by in record["areas"].items()}
    assert means["held_out"]["mutual_information"] > 0.95
    assert means["shuffled"]["mutual_information"] > means["shuffled"]["entropy"] + 0.05
    assert max(means["turned"].values()) < 0.5
