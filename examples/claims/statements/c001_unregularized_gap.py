from ..common import CONV_NONE, CONV_SEEDS, NONE
from ..contrasts import GAP, above
from ..ledger import Claim, on

CLAIM = Claim(
    number=1,
    title="the gap without regularization",
    statement="Without regularization training accuracy is over 10 points above test accuracy.",
    quote="None: 99.8% 72.1%, severe overfitting",
    source="000:33, 002:2",
    cases=on(("digits", "synthetic"), {"none": NONE}) | on("fashion", {"none": CONV_NONE}, CONV_SEEDS),
    contrast=above("none", GAP, 0.1),
    least=0.0,
    advice={
        "holds": "Expect a wide gap on little data, and measure it.",
        "fails": "Expect a gap, but not 10 points: measure yours before you regularize.",
        "depends": "How wide the gap is depends on the task far more than on the network: measure it.",
        "not shown": "Measure the gap before you regularize.",
    },
    functions=("diagnose.curves",),
)
