from ..common import DROPOUT, DROPOUTS, arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=17,
    title="dropout before the activation",
    statement="Dropout after the ReLU beats dropout before it, each tuned.",
    quote="After activation functions, never before",
    source="002:19, 000:133",
    cases=on(("digits", "synthetic"), {"after": DROPOUT, "before": arm(before=DROPOUTS)}),
    contrast=more("after", "before"),
    least=0.002,
    advice={
        "holds": "Put dropout after the activation.",
        "fails": "Before or after a ReLU is the same function, as a dropped unit is zero either way. The place matters "
        "only where the activation of 0 is not 0.",
        "depends": "Put dropout after the activation.",
        "not shown": "Put dropout after the activation; with a ReLU it is the same.",
    },
    functions=("noise.dropout",),
)
