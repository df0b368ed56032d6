"""What a run shows."""

import io
import sys

import pytest

from jreg.train import Event
from jreg.train._run._progress import Bar, Display, Lines, display

STEP = Event("step", 10, 0, {"step/loss": 0.123456789})
EPOCH = Event("epoch", 20, 1, {"train/loss": 0.5, "valid/loss": 0.75, "gap": 0.25, "best": 0.7})


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(wanted, stream, monkeypatch, events=(STEP, EPOCH), epochs=4):
    monkeypatch.setattr(sys, "stdout", stream)
    with display(wanted, epochs, 0, None) as it:
        for event in events:
            it.show(event)
    return it, stream.getvalue()


def test_elsewhere_than_on_a_terminal_an_epoch_is_a_line(monkeypatch):
    it, text = shown(True, io.StringIO(), monkeypatch)
    assert isinstance(it, Lines)
    assert text.startswith("epoch 2 of 4, step 20, train loss 0.5, valid loss 0.75, gap 0.25, best 0.7, ")
    assert text.endswith(" s left\n")
    assert text.count("\n") == 1


def test_the_last_line_has_no_time_left(monkeypatch):
    _, text = shown(True, io.StringIO(), monkeypatch, epochs=2)
    assert text.endswith("best 0.7\n")


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    it, text = shown(True, Terminal(), monkeypatch, events=(STEP, EPOCH, STEP._replace(step=30, epoch=2)))
    assert isinstance(it, Bar)
    assert "epoch 2, step 20, train loss 0.5, valid loss 0.75, gap 0.25, best 0.7" in text
    assert "30/40" in text
    assert "loss 0.12346, gap 0.25, best 0.7" in text


def test_nothing_is_shown_when_it_is_not_wanted(monkeypatch):
    it, text = shown(False, Terminal(), monkeypatch)
    assert (type(it), text) == (Display, "")


def test_the_terminal_is_left_as_it_was_after_an_error(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(ZeroDivisionError), display(True, 4, 0, 10):
        raise ZeroDivisionError
    assert stream.getvalue().rstrip().endswith("\x1b[?25h")
