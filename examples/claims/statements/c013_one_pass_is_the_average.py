import numpy as np

from ..arms import Program, fixed
from ..contrasts import Contrast
from ..ledger import Claim, on

NAMES = ("accuracy of plain", "accuracy of mean")

CLAIM = Claim(
    number=13,
    title="one pass for the ensemble",
    statement="One prediction without noise is within half a point of the mean of 90 sub-networks.",
    quote="At inference, you use the full network, which approximates the average prediction of all these",
    source="000:79, 001:10, 002:17",
    cases=on(("digits", "synthetic"), {"dropout": fixed(Program(probe="averages"), dropout=0.4)}),
    contrast=Contrast(
        lambda arms: 0.005 + np.subtract(*(arms["dropout"][name].astype(float) for name in NAMES)),
        NAMES,
        "0.005 plus test accuracy of one pass minus that of the mean of 90",
    ),
    least=0.0,
    advice={
        "holds": "One pass is enough for accuracy.",
        "fails": "Average over samples for accuracy.",
        "depends": "Compare both once.",
        "not shown": "Compare both once.",
    },
    functions=(
        "noise.dropout",
        "diagnose.mc_predict",
    ),
)
