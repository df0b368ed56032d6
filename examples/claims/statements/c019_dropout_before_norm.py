from ..common import EARLY, NORM_NONE
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=19,
    title="dropout before batch norm",
    statement="Dropout that a batch norm reads, at the best rate of 0.2 to 0.6, lowers test accuracy against none.",
    quote="if you're using BatchNorm in a block, use little to no dropout in that same block",
    source="002:40, 000:134",
    cases=on(("digits", "synthetic"), {"batch norm": NORM_NONE, "dropout before": EARLY}),
    contrast=more("batch norm", "dropout before"),
    least=0.005,
    advice={
        "holds": "Keep dropout out of what a batch norm reads.",
        "fails": "The variance does shift, but it does not cost half a point here: judge by validation.",
        "depends": "Judge by validation: the shift of the variance is real, its cost is not everywhere.",
        "not shown": "Judge by validation, and look at `variance_shift`.",
    },
    functions=("norm.batch_norm", "noise.dropout", "diagnose.variance_shift"),
)
