import numpy as np

from ..common import WATCHED
from ..contrasts import TEST, Contrast
from ..ledger import Claim, on, under
from ..stops import stopped

METRICS = ("test accuracy, patience 10", TEST)

CLAIM = Claim(
    number=43,
    title="early stopping, always",
    statement="Early stopping on validation loss (patience 10) beats the last epoch in test accuracy.",
    quote="Early stopping: Always; no reason not to",
    source="000:197, 000:268",
    cases=on(("digits", "synthetic"), {"none": WATCHED})
    | under("40 % wrong labels", "digits", {"none": WATCHED}, wrong=0.4)
    | under("40 % wrong labels", "synthetic", {"none": WATCHED}, wrong=0.4),
    contrast=Contrast(
        lambda arms: np.subtract(*(np.asarray(arms["none"][name], np.float64) for name in METRICS)),
        METRICS,
        "test accuracy: of the epoch that patience 10 restores, minus that of the last",
    ),
    least=0.002,
    derive=stopped,
    advice={
        "holds": "Stop early by validation loss, always.",
        "fails": "Do not stop by loss for accuracy: accuracy goes on rising after the loss has turned.",
        "depends": "Stop early where labels are noisy; elsewhere compare with the last epoch.",
        "not shown": "Stop early to save time, not for accuracy.",
    },
    functions=("train.fit", "train.update_stopping"),
)
