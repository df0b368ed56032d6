import numpy as np

from ..arms import fixed
from ..contrasts import TEST, Arms, Contrast
from ..ledger import Claim, on

DECAYS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


def inside_minus_ends(arms: Arms) -> np.ndarray:
    """The setting that validation chose, minus the better of the weakest and the strongest."""
    found = arms["decay"]
    scores = found.scores[TEST].astype(np.float64)
    end = max((0, len(DECAYS) - 1), key=lambda place: scores[place].mean())
    return scores[found.chosen] - scores[end]


CLAIM = Claim(
    number=2,
    title="strength of decay over six decades",
    statement="Test accuracy has an optimum of decay inside six decades: the chosen strength beats both ends.",
    quote='The sweet spot lies between "memorize everything" and "learn nothing specific."',
    source="000:31-36",
    cases=on(("digits", "synthetic"), {"decay": fixed(decay=DECAYS)}),
    contrast=Contrast(inside_minus_ends, (TEST,), "test accuracy: chosen decay minus the better end of six decades"),
    least=0.005,
    advice={
        "holds": "Search decay over decades, with an end that clearly under-fits.",
        "fails": "Decay of any moderate strength does as well as the best: take the weakest, and look elsewhere.",
        "depends": "Search decay over decades once per task: on some tasks the curve is flat.",
        "not shown": "Search a few decades; expect a flat curve.",
    },
    functions=("optim.with_decoupled_decay", "train.sweep"),
)
