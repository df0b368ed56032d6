import numpy as np

from ..arms import fixed
from ..contrasts import TEST, Arms, Contrast, Found
from ..ledger import Claim, on

DECAYS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
L1S = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def good(found: Found) -> np.ndarray:
    """How many strengths, a decade apart, are within a point of the best one, in each seed."""
    scores = found.scores[TEST].astype(np.float64)
    return (scores >= scores.max(axis=0) - 0.01).sum(axis=0)


def difference(arms: Arms) -> np.ndarray:
    return (good(arms["decay"]) - good(arms["L1"])).astype(np.float64)


CLAIM = Claim(
    number=66,
    title="the width of good strengths",
    statement="Within a point of the best, decay has a range of strengths half a decade wider than proximal L1.",
    quote="L1: High, must be tuned carefully. L2: Medium, robust over wide range",
    source="002:58",
    cases=on(("digits", "synthetic"), {"decay": fixed(decay=DECAYS), "L1": fixed(l1=L1S)}),
    contrast=Contrast(
        difference, (TEST,), "decades of strength within a point of the best mean test accuracy: decay minus L1"
    ),
    least=0.5,
    unit="decades",
    advice={
        "holds": "Tune L1 on a finer grid than decay.",
        "fails": "L1 needs no finer grid than decay.",
        "depends": "Give both a grid of decades.",
        "not shown": "Give both a grid of decades.",
    },
    functions=(
        "optim.with_decoupled_decay",
        "optim.with_l1",
    ),
)
