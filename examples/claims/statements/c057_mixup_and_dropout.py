from ..common import DROPOUT, DROPOUTS, NONE, arm
from ..contrasts import greater_gain
from ..ledger import Claim, on

CLAIM = Claim(
    number=57,
    title="dropout beside mixup",
    statement="Tuned dropout gains less test accuracy with mixup than without.",
    quote="regularization through data-level interpolation, reducing the need for explicit dropout",
    source="001:51",
    cases=on(
        ("digits", "synthetic"),
        {
            "dropout": DROPOUT,
            "none": NONE,
            "mixup and dropout": arm(mixup=0.5, dropout=DROPOUTS),
            "mixup": arm(mixup=0.5),
        },
    ),
    contrast=greater_gain(("dropout", "none"), ("mixup and dropout", "mixup")),
    least=0.005,
    advice={
        "holds": "With mixup try without dropout first.",
        "fails": "Mixup does not replace dropout.",
        "depends": "Tune dropout beside mixup.",
        "not shown": "Tune dropout beside mixup.",
    },
    functions=(
        "augment.mixup",
        "noise.dropout",
    ),
)
