from ..common import NONE, NORM_NONE
from ..contrasts import less
from ..ledger import Claim, on

CLAIM = Claim(
    number=80,
    title="batch norm and the gap",
    statement="Batch norm narrows the gap between training and test accuracy.",
    quote="creating noise which acts like a weak regulariser",
    source="002:40, 000:136, 003:179",
    cases=on(("digits", "synthetic"), {"norm": NORM_NONE, "none": NONE}),
    contrast=less("norm", "none", "gap"),
    least=0.005,
    advice={
        "holds": "Count batch norm among the regularizers.",
        "fails": "Take batch norm for speed, not for regularization.",
        "depends": "Batch norm regularizes some tasks and not others: look at the gap.",
        "not shown": "Take batch norm for speed.",
    },
    functions=("norm.batch_norm",),
)
