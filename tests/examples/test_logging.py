"""The example of a run: it resumes where it left off, and every kind of logger hears of it."""

import json
import sys
from types import ModuleType

import pytest

from examples.logging.__main__ import main


class Recorder(ModuleType):
    """Stands for a logger that need not be installed, and keeps what it is told."""

    def __init__(self):
        super().__init__("recorder")
        self.heard = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **options: (self.heard.append((name, args, options)), self)[1]


@pytest.mark.thorough
def test_a_second_start_goes_on_and_the_digits_are_learned(tmp_path, capsys):
    first = main([str(tmp_path), "--epochs", "1"])
    both = main([str(tmp_path), "--epochs", "2"])
    assert (int(first.last.step), int(both.last.step)) == (37, 74)
    assert both.valid_history["accuracy"][1] > 0.85
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["kind"] == "epoch"] == [37, 74]
    assert capsys.readouterr().out.count("valid accuracy") == 2


@pytest.mark.parametrize(("logger", "module", "method"), [
    ("tensorboard", "tensorboardX", "add_scalar"), ("wandb", "wandb", "log"),
])  # fmt: skip
def test_every_kind_of_logger_hears_of_the_run(tmp_path, monkeypatch, logger, module, method):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, module, recorder)
    main([str(tmp_path), "--epochs", "1", "--logger", logger])
    calls = [(args, options) for name, args, options in recorder.heard if name == method]
    told = {args[0] for args, _ in calls} if method == "add_scalar" else set().union(*(args[0] for args, _ in calls))
    assert {"step/loss", "train/loss", "valid/accuracy", "gap", "best"} <= told
