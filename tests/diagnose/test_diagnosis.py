"""The diagnosis in words: what it is, since when, and a first lever that exists."""

import importlib
import re

import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose

EPOCHS = np.arange(30)
FALL = np.exp(-EPOCHS / 3)
LATE = np.maximum(EPOCHS - 20, 0)
NOISE = 0.5 * np.random.default_rng(0).normal(size=30)
LOW = 0.1 + FALL


def said(train, valid, **options) -> str:
    found = diagnose.curves(jnp.asarray(train, jnp.float32), jnp.asarray(valid, jnp.float32), **options)
    return found.describe("epoch")


SAID = {
    "rises": said(LOW, LOW + 0.02 * LATE),
    "stalls": said(LOW - 0.01 * LATE, LOW),
    "gap": said(LOW, LOW + 0.3),
    "under-fitting": said(2.3 + 0 * FALL, 2.3 + 0 * FALL, baseline=2.3026),
    "still improving": said(1 - EPOCHS / 60, 1.01 - EPOCHS / 60),
    "diverged": said(LOW + LATE, LOW + LATE),
    "no number": said(np.nan * FALL, LOW),
    "healthy": said(LOW, LOW),
    "noise": said(LOW + NOISE, LOW + NOISE[::-1]),
    "short": said([1.0, 0.999], [1.0, 0.999]),
    "flat": said(0 * FALL + 1, 0 * FALL + 1),
}


def test_every_diagnosis_in_words():
    beginnings = {
        "rises": "Mild over-fitting since epoch 19: validation then lost 0.168 ± 0.00",
        "stalls": "Mild over-fitting since epoch 12: validation has not improved since, while training did",
        "gap": "Severe over-fitting since epoch 12: validation has come no further since, and the gap is 0.3 ±",
        "under-fitting": "Under-fitting: training ends at 2.3 and validation at 2.3, no better than the baseline",
        "still improving": "Still improving: validation gained 0.1",
        "diverged": "Diverged: both curves lost after epoch 20 what they had gained. Best at epoch 20 (0.1",
        "no number": "Diverged: no value is a number. Lower the learning rate first",
        "healthy": "Healthy: the gap is 0 ±",
        "noise": "Too noisy to say: a single value varies by 0.",
        "short": "Undecided: 2 epochs are too few to say.",
        "flat": "Undecided: training ends at 1 and validation at 1, and neither is clearly better",
    }
    for name, beginning in beginnings.items():
        assert SAID[name].startswith(beginning), SAID[name]


@pytest.mark.parametrize("name", SAID)
def test_the_levers_are_functions_of_jreg(name):
    named = re.findall(r"\b(train|optim|noise|augment|diagnose)\.(\w+)", SAID[name])
    assert named or name == "healthy"
    for namespace, function in named:
        assert callable(getattr(importlib.import_module(f"jreg.{namespace}"), function))


def test_under_fitting_says_reduce_and_over_fitting_never_does():
    assert "Reduce first" in SAID["under-fitting"]
    assert not any("Reduce" in SAID[name] for name in SAID if name != "under-fitting")


@pytest.mark.thorough
def test_settings_get_a_line_each_and_seeds_are_counted():
    train = jnp.asarray(np.tile(LOW, (2, 3, 1)), jnp.float32)
    lines = diagnose.curves(train, train.at[1].add(0.3)).describe().splitlines()
    assert [line.split(":")[0] for line in lines] == ["0", "1"]
    assert lines[1].startswith("1: Severe over-fitting since step 12")
    assert all(line.endswith("(Means over 3 runs.)") for line in lines)
