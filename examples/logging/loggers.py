"""A callback of `train.run` for every kind of logger; each takes two lines."""

import json
from pathlib import Path
from typing import Any

from jreg import train


def tensorboard(folder: str) -> Any:
    """For loggers that take a number at a time: TensorBoard by way of torch or tensorboardX, aim, ClearML."""
    from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]

    writer = SummaryWriter(folder)
    return lambda event: [writer.add_scalar(name, value, event.step) for name, value in event.metrics.items()]


def wandb(folder: str) -> Any:
    """For loggers that take a dict at a time: Weights & Biases, MLflow's `log_metrics`, Comet, Neptune."""
    import wandb  # pyright: ignore[reportMissingImports]

    tracked = wandb.init(project="jreg", dir=folder)
    return lambda event: tracked.log(event.metrics, step=event.step)


def lines(folder: str) -> Any:
    """For no logger at all: a file with a line of JSON per event."""
    path = Path(folder) / "events.jsonl"

    def write(event: train.Event) -> None:
        with path.open("a") as file:
            file.write(json.dumps(event._asdict()) + "\n")

    return write


LOGGERS = {"lines": lines, "tensorboard": tensorboard, "wandb": wandb}
