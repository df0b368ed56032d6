"""What is compared: recipes, each a grid of settings for one architecture."""

from math import inf
from typing import NamedTuple


class Hyper(NamedTuple):
    """Every strength that a recipe may set. The defaults regularize nothing."""

    decay: float = 0.0
    l1: float = 0.0
    dropout: float = 0.0
    dropconnect: float = 0.0
    depth: float = 0.0
    smoothing: float = 0.0
    mixup: float = 0.0
    patience: float = inf

    def describe(self) -> str:
        """The strengths that differ from none, as `dropout 0.3, decay 1`."""
        default = Hyper()
        chosen = {name: value for name, value in self._asdict().items() if value != getattr(default, name)}
        return ", ".join(f"{name} {value:g}" for name, value in chosen.items()) or "-"


class Recipe(NamedTuple):
    """A name, the architecture that it runs on, and the settings to choose from; a quick run takes the first."""

    name: str
    architecture: str
    settings: tuple[Hyper, ...]
    baseline: str = "none"
    needs_classes: bool = False


def _grid(name: str, *strengths: float) -> tuple[Hyper, ...]:
    return tuple(Hyper()._replace(**{name: strength}) for strength in strengths)


RECIPES = (
    Recipe("none", "mlp", (Hyper(),)),
    Recipe("decoupled decay", "mlp", _grid("decay", 1.0, 0.1, 0.3, 3.0, 10.0)),
    Recipe("L1 (proximal)", "mlp", _grid("l1", 0.1, 0.03, 0.3, 1.0)),
    Recipe("dropout", "mlp", _grid("dropout", 0.3, 0.1, 0.2, 0.5)),
    Recipe("dropout + decay", "mlp", tuple(Hyper(dropout=r, decay=d) for r in (0.3, 0.1) for d in (0.3, 1.0, 3.0))),
    Recipe("DropConnect", "mlp", _grid("dropconnect", 0.2, 0.1, 0.3, 0.5)),
    Recipe("label smoothing", "mlp", _grid("smoothing", 0.1, 0.05, 0.2, 0.4), needs_classes=True),
    Recipe("mixup", "mlp", _grid("mixup", 0.2, 0.1, 0.4, 1.0)),
    Recipe("early stopping", "mlp", _grid("patience", 10.0, 5.0, 20.0)),
    Recipe(
        "solid default",
        "mlp",
        tuple(Hyper(decay=0.01, dropout=rate, smoothing=0.1, patience=10.0) for rate in (0.2, 0.3, 0.5)),
    ),
    Recipe("none (residual)", "residual", (Hyper(),), baseline="none (residual)"),
    Recipe("stochastic depth", "residual", _grid("depth", 0.3, 0.1, 0.2, 0.5), baseline="none (residual)"),
    Recipe("batch norm", "batch norm", (Hyper(),)),
    Recipe("batch norm + decay", "batch norm", _grid("decay", 1.0, 0.1, 0.3, 3.0, 10.0)),
)
