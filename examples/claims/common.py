"""Arms that several claims share: they are trained once in a run of the whole ledger.

Every tuned arm has six settings and learning rates of the same range: an arm with one strength tries six rates.
"""

from collections.abc import Sequence

from .arms import DEFAULT, Arm, Program, fixed, tuned

NUM = 6
NORM, CNN, DEEP = Program(norm=True), Program("cnn"), Program("residual")
DECAYS, DROPOUTS = (0.3, 1.0, 3.0), (0.1, 0.2, 0.4)


def arm(program: Program = DEFAULT, **strengths: Sequence[float] | float) -> Arm:
    """A tuned arm of `NUM` settings; a number is one strength."""
    return tuned(NUM, program, **{name: v if isinstance(v, Sequence) else (v,) for name, v in strengths.items()})


NONE, DECAY, DROPOUT = arm(), arm(decay=DECAYS), arm(dropout=DROPOUTS)
BOTH = arm(decay=DECAYS, dropout=0.2)
SMOOTHED = arm(smoothing=0.1)
MIXUP = arm(mixup=(0.2, 0.5, 1.0))
L1 = arm(l1=(1e-4, 1e-3, 1e-2))
CONNECT = arm(dropconnect=DROPOUTS)
NORM_NONE, NORM_DECAY, NORM_DROPOUT = arm(NORM), arm(NORM, decay=DECAYS), arm(NORM, dropout=DROPOUTS)
WATCHED = fixed(Program(watch=True))
"""One setting with every epoch measured, for questions of when to stop."""
DEEP_NONE = arm(DEEP)


def conv(**strengths: Sequence[float] | float) -> Arm:
    """A tuned arm of a convolutional network: four settings, since a lane costs seconds."""
    return tuned(4, CNN, **{name: v if isinstance(v, Sequence) else (v,) for name, v in strengths.items()})


SHARES = (0.1, 0.25)
CONV_NONE, CONV_DECAY, CONV_DROPOUT = conv(), conv(decay=(0.5, 2.0)), conv(dropout=(0.2, 0.4))
CONV_PIXELS, CONV_MAPS, CONV_BLOCKS = conv(pixels=SHARES), conv(maps=SHARES), conv(blocks=SHARES)
CONV_SMOOTHED, CONV_MIXUP, CONV_MOVED = conv(smoothing=0.1), conv(mixup=(0.2, 0.5)), conv(moved=(0.05, 0.1))
CONV_SEEDS = {"fashion": 8}
"""A lane takes seconds there."""
