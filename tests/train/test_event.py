"""What an event of an epoch holds, and which callbacks are taken."""

import pytest

from jreg._core.checks import Checks
from jreg.train._event import callbacks_of, of_epoch


def test_an_epoch_tells_both_kinds_of_metrics_the_gap_and_the_best():
    found = of_epoch({"loss": 1.0, "error": 2.0}, {"loss": 1.5}, "loss", 1.25)
    assert found == {"train/loss": 1.0, "train/error": 2.0, "valid/loss": 1.5, "gap": 0.5, "best": 1.25}


def test_there_is_no_gap_where_training_has_no_such_metric():
    assert "gap" not in of_epoch({"loss": 1.0}, {"accuracy": 0.5}, "accuracy", 0.5)


def test_callbacks_are_one_function_or_several():
    check = Checks("fit")
    assert callbacks_of(check, None) == ()
    assert callbacks_of(check, print) == (print,)
    assert callbacks_of(check, [print, len]) == (print, len)
    with pytest.raises(TypeError, match=r"^fit: callback must be a function .*; got 3"):
        callbacks_of(check, [print, 3])
