from ..common import DROPOUT, NONE, NORM_DROPOUT, NORM_NONE
from ..contrasts import greater_gain
from ..ledger import Claim, on

CLAIM = Claim(
    number=22,
    title="dropout beside batch norm",
    statement="Tuned dropout gains less test accuracy with batch norm than without.",
    quote="it does reduce the need for dropout in many architectures",
    source="000:140, 001:43, 003:206",
    cases=on(
        ("digits", "synthetic"),
        {"dropout": DROPOUT, "none": NONE, "norm and dropout": NORM_DROPOUT, "norm": NORM_NONE},
    ),
    contrast=greater_gain(("dropout", "none"), ("norm and dropout", "norm")),
    least=0.005,
    advice={
        "holds": "With batch norm try without dropout first.",
        "fails": "Batch norm does not replace dropout: tune dropout with it as without.",
        "depends": "Tune dropout also beside batch norm.",
        "not shown": "Tune dropout also beside batch norm.",
    },
    functions=("norm.batch_norm", "noise.dropout"),
)
