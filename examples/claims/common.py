"""Arms that several claims share: they are trained once in a run of the whole ledger.

Every tuned arm has six settings and learning rates of the same range: an arm with one strength tries six rates.
"""

from collections.abc import Sequence
from typing import NamedTuple

from .arms import DEFAULT, Arm, Program, fixed, tuned
from .contrasts import more
from .ledger import Case, Claim, on, under

NUM = 6
NORM, CNN, DEEP = Program(norm=True), Program("cnn"), Program("residual")
DECAYS, DROPOUTS = (0.3, 3.0, 10.0), (0.1, 0.2, 0.4)


def arm(program: Program = DEFAULT, **strengths: Sequence[float] | float) -> Arm:
    """A tuned arm of `NUM` settings; a number is one strength."""
    return tuned(NUM, program, **{name: v if isinstance(v, Sequence) else (v,) for name, v in strengths.items()})


NONE, DECAY, DROPOUT = arm(), arm(decay=DECAYS), arm(dropout=DROPOUTS)
BOTH = arm(decay=DECAYS, dropout=0.2)
SMOOTHED = arm(smoothing=0.1)
MIXUP = arm(mixup=(0.2, 0.5, 1.0))
L1 = arm(l1=(1e-4, 1e-2, 3e-2))
CONNECT = arm(dropconnect=DROPOUTS)
NORM_NONE, NORM_DECAY, NORM_DROPOUT = arm(NORM), arm(NORM, decay=DECAYS), arm(NORM, dropout=DROPOUTS)
EARLY = arm(NORM, early=(0.2, 0.4, 0.6))
"""Dropout behind the first of two norms, so that the second reads it."""
WATCHED = fixed(Program(watch=True))
"""One setting with every epoch measured, for questions of when to stop."""
DEEP_NONE = arm(DEEP)


def conv(**strengths: Sequence[float] | float) -> Arm:
    """A tuned arm of a convolutional network: four settings, since a lane costs seconds."""
    return tuned(4, CNN, **{name: v if isinstance(v, Sequence) else (v,) for name, v in strengths.items()})


SHARES = (0.1, 0.25)
CONV_NONE, CONV_DECAY, CONV_DROPOUT = conv(), conv(decay=(0.3, 3.0)), conv(dropout=(0.2, 0.4))
CONV_PIXELS, CONV_MAPS, CONV_BLOCKS = conv(pixels=SHARES), conv(maps=SHARES), conv(blocks=SHARES)
CONV_SMOOTHED, CONV_MIXUP, CONV_MOVED = conv(smoothing=0.1), conv(mixup=(0.2, 0.5)), conv(moved=(0.05, 0.1))
CONV_SEEDS = {"fashion": 8}
"""A lane takes seconds there."""


class Helping(NamedTuple):
    """A regularizer's arm for tables, and that for convolutions, if it has one; with the arm without it."""

    dense: Arm | None = None
    conv: Arm | None = None
    none: Arm = NONE


def helps(number: int, name: str, strengths: str, quote: str, source: str, function: str, arms: Helping) -> Claim:
    """The claim that a regularizer raises test accuracy over none, in every situation that fits: a row of a table."""
    where = "" if arms.conv is None else " in a convolutional network"
    return Claim(
        number=number,
        title=f"{name}{where} against none",
        statement=f"{name[0].upper()}{name[1:]} ({strengths}){where} raises test accuracy over none, both tuned.",
        quote=quote,
        source=source,
        cases=_situations(arms),
        contrast=more("with", "none"),
        least=0.005,
        regularizer=name,
        advice={
            "holds": f"Put {name} into the search.",
            "fails": f"Leave {name} out: it brings less than half a point in each of these situations.",
            "depends": "Use it in the situations where it gains, see the table of regularizers.",
            "not shown": "Leave it for last.",
        },
        functions=(function,),
    )


FEW, NOISY = {"num_train": 64}, {"wrong": 0.4}


def _situations(arms: Helping) -> dict[str, Case]:
    cases = {}
    if arms.dense is not None:
        pair = {"with": arms.dense, "none": arms.none}
        cases |= on(("digits", "synthetic"), pair)
        cases |= under("64 rows", "digits", pair, **FEW) | under("40 % wrong labels", "digits", pair, **NOISY)
    if arms.conv is not None:
        cases |= on(("digit images", "fashion"), {"with": arms.conv, "none": CONV_NONE}, CONV_SEEDS)
    return cases
