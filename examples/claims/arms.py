"""What a claim compares: arms, each a program with a grid of settings, all of the same size and range of rates."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

RATES = (1e-3, 4e-3)
"""The range of learning rates of every tuned arm; an arm with fewer strengths tries more rates within it."""


class Hyper(NamedTuple):
    """Every strength that a setting may have, each data to the compiled program. The defaults regularize nothing."""

    rate: float = 2e-3
    decay: float = 0.0
    """Decoupled, in torch's convention: a step removes rate * decay of a weight."""
    decay_head: float = 0.0
    """Decoupled decay of the last layer alone."""
    coupled: float = 0.0
    """L2 in the gradient, before Adam."""
    l1: float = 0.0
    """The Lasso's strength: a proximal step in Adam's metric."""
    l1_gradient: float = 0.0
    """The same penalty, but its gradient added to that of the loss."""
    inputs: float = 0.0
    dropout: float = 0.0
    """After each hidden activation."""
    before: float = 0.0
    """Dropout before each hidden activation, and with batch norm before the norm."""
    early: float = 0.0
    """Dropout after the first hidden activation alone."""
    late: float = 0.0
    """Dropout after the last hidden activation alone."""
    outputs: float = 0.0
    """Dropout on the logits."""
    dropconnect: float = 0.0
    gaussian: float = 0.0
    depth: float = 0.0
    """Stochastic depth by the linear rule: this rate at the last block."""
    flat: float = 0.0
    """Stochastic depth with this rate at every block."""
    pixels: float = 0.0
    """Dropout on the maps of a convolution; `maps` drops whole maps, `blocks` squares of 3."""
    maps: float = 0.0
    blocks: float = 0.0
    smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    cutout: float = 0.0
    """The share of examples with a square hole."""
    moved: float = 0.0
    """Random shifts up to this share of the image, and turns up to 100 times as many degrees."""
    mirrored: float = 0.0
    """The probability of a horizontal flip."""
    jacobian: float = 0.0
    width: float = 1.0
    """The factor of the initial weights."""


class Program(NamedTuple):
    """What is compiled in: the network and how long it trains. None stands for what the task says."""

    network: str = "mlp"
    """One of "mlp", "residual", "cnn"."""
    norm: bool = False
    ghost: int | None = None
    num_train: int | None = None
    num_valid: int | None = None
    batch_size: int | None = None
    epochs: int | None = None
    wrong: float = 0.0
    """The share of training and validation rows whose class is drawn anew."""
    shifted: float = 0.0
    """Standard deviation of noise on the test rows."""
    watch: bool = False
    """Whether every epoch is measured on all parts."""
    ramp: bool = False
    """Whether the rate of DropBlock rises linearly over the first half of the epochs."""
    adaptive: bool = True
    """Adam, or else SGD with momentum at ten times the rate."""
    probe: str = ""
    """A further measurement of the trained network, by its name in `probes`."""


DEFAULT = Program()


class Arm(NamedTuple):
    """One side of a comparison."""

    settings: tuple[Hyper, ...]
    program: Program = DEFAULT


def tuned(num: int, program: Program = DEFAULT, **strengths: Sequence[float]) -> Arm:
    """The product of the strengths, and so many learning rates that there are `num` settings."""
    combinations = list(product(*strengths.values()))
    num_rates, rest = divmod(num, len(combinations))
    if rest or num_rates < 2:
        raise ValueError(f"tuned: num must be two or more times the {len(combinations)} strengths; got {num}")
    rates = np.geomspace(*RATES, num_rates)
    return Arm(
        tuple(
            Hyper(rate=float(f"{rate:.2g}"), **dict(zip(strengths, values, strict=True)))
            for values in combinations
            for rate in rates
        ),
        program,
    )


def fixed(program: Program = DEFAULT, **strengths: Any) -> Arm:
    """Settings that are compared with each other, at one learning rate: the product of the strengths."""
    values = [value if isinstance(value, Sequence) else (value,) for value in strengths.values()]
    combinations = (dict(zip(strengths, combination, strict=True)) for combination in product(*values))
    return Arm(tuple(Hyper(**combination) for combination in combinations), program)


CHEAP = frozenset({"decay", "coupled", "smoothing"})
DEPTHS = frozenset({"depth", "flat"})


def active(arm: Arm) -> frozenset[str]:
    """The strengths that the arm's program has places for: those that it sets, and those that cost nothing.

    The others are not compiled. Arms of the same places share one compiled program.
    """
    default = Hyper()
    names = {n for n in Hyper._fields if any(getattr(setting, n) != getattr(default, n) for setting in arm.settings)}
    return frozenset(names - {"rate"}) | CHEAP | (DEPTHS if arm.program.network == "residual" else frozenset())
