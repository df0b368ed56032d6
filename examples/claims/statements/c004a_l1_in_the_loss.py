import numpy as np

from ..arms import fixed
from ..contrasts import Arms, Contrast
from ..ledger import Claim, on


def most_zeros(arms: Arms) -> np.ndarray:
    return arms["L1 in the loss"].scores["zeros"].astype(np.float64).max(axis=0) - 0.01


CLAIM = Claim(
    number=4,
    title="zeros under L1 in the loss",
    statement="L1 in the loss, as all four articles write it, makes over 1 % of the weights exactly zero under Adam.",
    quote="Small weights get driven all the way to zero, producing a sparse network.",
    source="000:41, 002:8",
    cases=on(("digits", "synthetic"), {"L1 in the loss": fixed(l1_gradient=(1e-4, 1e-3, 1e-2))}),
    contrast=Contrast(most_zeros, ("zeros",), "share of exact zeros at the best strength for them, minus 0.01"),
    least=0.0,
    unit="share of weights",
    advice={
        "holds": "L1 in the loss gives zeros.",
        "fails": "The gradient of L1 steps over zero and back: use a proximal step where zeros are wanted.",
        "depends": "Use a proximal step where zeros are wanted.",
        "not shown": "Use a proximal step where zeros are wanted.",
    },
    functions=("optim.add_l1", "optim.with_l1", "diagnose.sparsity"),
)
