import numpy as np

from ..arms import fixed
from ..common import NORM
from ..contrasts import TEST, Contrast, Found
from ..ledger import Claim, on


def cost(found: Found) -> np.ndarray:
    weak, strong = found.scores[TEST].astype(np.float64)
    return weak - strong


CLAIM = Claim(
    number=74,
    title="strong decay under batch norm",
    statement="Decay of 10 costs less test accuracy with batch norm than without.",
    quote="be cautious with aggressive L2 on layers whose scale is later normalized",
    source="003:90",
    cases=on(("digits", "synthetic"), {"norm": fixed(NORM, decay=(0.1, 10.0)), "none": fixed(decay=(0.1, 10.0))}),
    contrast=Contrast(
        lambda arms: cost(arms["none"]) - cost(arms["norm"]),
        (TEST,),
        "test accuracy that decay 10 costs against 0.1: without norm minus with",
    ),
    least=0.005,
    advice={
        "holds": "Under batch norm the size of the weights cancels: strong decay is forgiven there.",
        "fails": "Strong decay costs as much under batch norm: be cautious in both.",
        "depends": "Be cautious with strong decay in both.",
        "not shown": "Be cautious with strong decay in both.",
    },
    functions=(
        "norm.batch_norm",
        "optim.with_decoupled_decay",
    ),
)
