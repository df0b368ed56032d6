from ..common import EARLY, NORM, arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=20,
    title="dropout behind the last batch norm",
    statement="Dropout behind the last batch norm beats dropout that a batch norm reads, each at its best rate.",
    quote="When combining Dropout and BN, place Dropout after BN to avoid variance shift",
    source="001:44",
    cases=on(
        ("digits", "synthetic"),
        {"behind": arm(NORM, late=(0.2, 0.4, 0.6)), "before": EARLY},
    ),
    contrast=more("behind", "before"),
    least=0.005,
    advice={
        "holds": "Put dropout behind the last batch norm.",
        "fails": "The place behind the norm is no better at tuned rates: try both, and judge by validation.",
        "depends": "Try both places.",
        "not shown": "Put it behind the last batch norm, where it cannot shift anything; expect little.",
    },
    functions=("norm.batch_norm", "noise.dropout"),
)
