import numpy as np

from ..arms import Program, tuned
from ..common import CNN, CONV_SEEDS, arm
from ..contrasts import Contrast
from ..ledger import Claim, on

METRICS = ("area of mutual information", "area of plain entropy")

CLAIM = Claim(
    number=56,
    title="MC dropout out of distribution",
    statement="Disagreement of dropout samples tells images of shuffled pixels better than one prediction's entropy.",
    quote="running dropout at test time across multiple forward passes provides uncertainty estimates",
    source="001:45",
    cases=on("digits", {"dropout": arm(Program(probe="uncertainty"), dropout=0.4)})
    | on("fashion", {"dropout": tuned(4, CNN._replace(probe="uncertainty"), dropout=(0.4,))}, CONV_SEEDS),
    contrast=Contrast(
        lambda arms: np.subtract(*(np.asarray(arms["dropout"][name], np.float64) for name in METRICS)),
        METRICS,
        "area under the ROC curve: mutual information minus entropy without noise",
    ),
    least=0.02,
    unit="area",
    advice={
        "holds": "Sample where strange inputs may come.",
        "fails": "The entropy of one prediction is as good a warning: sample only if you need the spread itself.",
        "depends": "Measure both on strange inputs of your own.",
        "not shown": "Measure both on strange inputs of your own.",
    },
    functions=("diagnose.mc_predict", "noise.dropout"),
)
