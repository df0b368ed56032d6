from ..common import DECAYS, NORM, NORM_DECAY, arm
from ..contrasts import TEST, Contrast
from ..ledger import Claim, on

CLAIM = Claim(
    number=70,
    title="dropout on top of batch norm and decay",
    statement="Dropout of 0.2 added to batch norm with tuned decay gains less than half a point.",
    quote="pick weight decay + BatchNorm, or Dropout (lightly) + no BatchNorm",
    source="002:79",
    cases=on(("digits", "synthetic"), {"with": arm(NORM, decay=DECAYS, dropout=0.2), "without": NORM_DECAY}),
    contrast=Contrast(
        lambda arms: 0.005 - (arms["with"][TEST].astype(float) - arms["without"][TEST]),
        (TEST,),
        "0.005 minus what dropout adds",
    ),
    least=0.0,
    advice={
        "holds": "Leave dropout out beside batch norm and decay.",
        "fails": "Light dropout on top does help: try it.",
        "depends": "Try light dropout on top.",
        "not shown": "Try light dropout on top; expect little.",
    },
    functions=(
        "norm.batch_norm",
        "noise.dropout",
    ),
)
