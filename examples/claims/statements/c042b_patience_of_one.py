import numpy as np

from ..common import WATCHED
from ..contrasts import Contrast
from ..ledger import Claim, on, under
from ..stops import stopped

METRICS = ("test accuracy, patience 10", "test accuracy, patience 1")

CLAIM = Claim(
    number=42,
    title="too little patience",
    statement="Patience 1 costs over half a point of test accuracy against patience 10.",
    quote="Too little patience and you stop before the model converges.",
    source="000:182",
    cases=on(("digits", "synthetic"), {"none": WATCHED})
    | under("40 % wrong labels", "digits", {"none": WATCHED}, wrong=0.4)
    | under("40 % wrong labels", "synthetic", {"none": WATCHED}, wrong=0.4),
    contrast=Contrast(
        lambda arms: np.subtract(*(np.asarray(arms["none"][name], np.float64) for name in METRICS)),
        METRICS,
        "test accuracy: patience 10 minus patience 1",
    ),
    least=0.005,
    derive=stopped,
    advice={
        "holds": "Never stop at the first bad epoch.",
        "fails": "Even a patience of one costs little here.",
        "depends": "Never stop at the first bad epoch where the loss is noisy.",
        "not shown": "Never stop at the first bad epoch: it saves little.",
    },
    functions=("train.fit",),
)
