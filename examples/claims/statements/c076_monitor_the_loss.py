import numpy as np

from ..common import WATCHED
from ..contrasts import Contrast
from ..ledger import Claim, on, under
from ..stops import stopped

METRICS = ("test accuracy, patience never", "test accuracy, best accuracy")

CLAIM = Claim(
    number=76,
    title="monitor the loss",
    statement="The epoch of the best validation loss has a better test accuracy than that of the best accuracy.",
    quote="prefer monitoring val_loss unless a business metric is truly the objective",
    source="003:167",
    cases=on(("digits", "synthetic"), {"none": WATCHED})
    | under("40 % wrong labels", "digits", {"none": WATCHED}, wrong=0.4)
    | under("40 % wrong labels", "synthetic", {"none": WATCHED}, wrong=0.4),
    contrast=Contrast(
        lambda arms: np.subtract(*(np.asarray(arms["none"][name], np.float64) for name in METRICS)),
        METRICS,
        "test accuracy: of the epoch with the least validation loss, minus of that with the best accuracy",
    ),
    least=0.002,
    derive=stopped,
    advice={
        "holds": "Monitor the loss.",
        "fails": "Monitor the score that counts: for accuracy that is accuracy.",
        "depends": "Monitor the score that counts; with noisy labels look at both.",
        "not shown": "Monitor the score that counts.",
    },
    functions=("train.fit",),
)
