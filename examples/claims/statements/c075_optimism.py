import numpy as np

from ..common import DROPOUT
from ..contrasts import TEST, VALID, Arms, Contrast
from ..ledger import Claim, on


def optimism(arms: Arms) -> np.ndarray:
    """What the choice adds to the difference that the two sets of rows have anyway."""
    valid, test = (arms["dropout"].scores[name].astype(np.float64) for name in (VALID, TEST))
    distance = valid - test
    return np.take_along_axis(distance, valid.argmax(axis=0)[None], 0)[0] - distance.mean(axis=0)


CLAIM = Claim(
    number=75,
    title="validation is no clean exam",
    statement="Choosing the best of 6 settings by 300 to 600 validation rows flatters it by over 0.2 points.",
    quote="early stopping repeatedly consults validation, so validation is no longer a clean final exam",
    source="003:166",
    cases=on(("digits", "synthetic"), {"dropout": DROPOUT}),
    contrast=Contrast(
        optimism, (TEST, VALID), "validation minus test accuracy: of the chosen setting, minus the mean of all settings"
    ),
    least=0.002,
    advice={
        "holds": "Report a test that chose nothing.",
        "fails": "With so few settings the choice costs no more than a trace; with hundreds it will.",
        "depends": "Report a test that chose nothing.",
        "not shown": "Report a test that chose nothing.",
    },
    functions=("diagnose.selection_optimism",),
)
