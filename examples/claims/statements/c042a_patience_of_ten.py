import numpy as np

from ..common import WATCHED
from ..contrasts import Contrast
from ..ledger import Claim, on, under
from ..stops import stopped

METRICS = ("test accuracy, patience 10", "test accuracy, patience never")

CLAIM = Claim(
    number=42,
    title="patience of 10",
    statement="Patience 10 loses less than half a point of test accuracy against looking at all epochs.",
    quote="Values between 5 and 20 epochs are common",
    source="000:182, 000:268",
    cases=on(("digits", "synthetic"), {"none": WATCHED})
    | under("40 % wrong labels", "digits", {"none": WATCHED}, wrong=0.4)
    | under("40 % wrong labels", "synthetic", {"none": WATCHED}, wrong=0.4),
    contrast=Contrast(
        lambda arms: 0.005 + np.subtract(*(np.asarray(arms["none"][name], np.float64) for name in METRICS)),
        METRICS,
        "0.005 plus test accuracy of the best epoch by patience 10 minus that of the best of all epochs",
    ),
    least=0.0,
    derive=stopped,
    advice={
        "holds": "Patience 10 is enough.",
        "fails": "Take a longer patience: 10 stops too soon.",
        "depends": "Take a longer patience where the loss goes up and down.",
        "not shown": "Take 20 where epochs are cheap.",
    },
    functions=("train.fit",),
)
