"""The three ways of choosing, in their quick form and as they are stored."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from examples import search

STORED = Path(search.__file__).with_suffix(".json")


@pytest.fixture(autouse=True)
def _standard_promotion():
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.thorough
def test_the_quick_search_prints_and_stores_and_goes_on_where_it_was(tmp_path, capsys, monkeypatch):
    command = ["--quick", "--storage", str(tmp_path / "search.db"), "--out", str(tmp_path / "search.json")]
    assert search.main(command) == 0
    record = json.loads((tmp_path / "search.json").read_text())
    printed = capsys.readouterr().out
    for name, found in record["found"].items():
        assert name in printed
        assert np.shape(found["test"]) == (search.QUICK.num_rounds, search.QUICK.num_tests)
    choice = search.Choice(**record["found"]["Optuna"]["choices"][0])

    def sweep(*_):
        raise AssertionError("the study is done: nothing is left to train")

    monkeypatch.setattr(search.train, "sweep", sweep)
    keys, storage = jax.random.split(jax.random.key(0), 2), f"sqlite:///{tmp_path / 'search.db'}"
    again = search.by_optuna(len, keys, search.QUICK, storage, f"{search.QUICK} 0")
    assert again.setting == choice.setting


def test_the_stored_study_says_that_halving_finds_as_much_for_a_third():
    record = json.loads(STORED.read_text())
    epochs = {name: found["choices"][0]["epochs"] for name, found in record["found"].items()}
    assert record["size"] == json.loads(json.dumps(search.Size()._asdict()))
    assert epochs["halving"] < epochs["grid"] / 3
    mean, error = search.difference(record, "halving")
    assert mean + error > 0 or mean > -0.003
