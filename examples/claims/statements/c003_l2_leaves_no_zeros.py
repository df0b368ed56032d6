import numpy as np

from ..arms import fixed
from ..contrasts import Arms, Contrast
from ..ledger import Claim, on


def margin(arms: Arms) -> np.ndarray:
    return 1e-3 - arms["L2"].scores["zeros"].astype(np.float64).max(axis=0)


CLAIM = Claim(
    number=3,
    title="zeros under L2",
    statement="L2 leaves fewer than one weight in a thousand exactly zero, at every strength.",
    quote="No weight reaches exactly zero.",
    source="000:40, 000:54, 002:7",
    cases=on(("digits", "synthetic"), {"L2": fixed(coupled=(1e-4, 1e-3, 1e-2, 1e-1))}),
    contrast=Contrast(margin, ("zeros",), "0.001 minus the share of exact zeros, the most over all strengths"),
    least=0.0,
    unit="share of weights",
    advice={
        "holds": "Do not expect sparsity of L2.",
        "fails": "At large strengths L2 under Adam reaches zeros too, by underflow.",
        "depends": "Count zeros before you speak of sparsity.",
        "not shown": "Count zeros before you speak of sparsity.",
    },
    functions=("optim.add_l2", "diagnose.sparsity"),
)
