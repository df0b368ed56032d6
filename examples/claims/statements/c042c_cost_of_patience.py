import numpy as np

from ..common import WATCHED
from ..contrasts import Arms, Contrast
from ..ledger import Claim, on, under
from ..stops import stopped


def share_saved(arms: Arms) -> np.ndarray:
    ran, of = (np.asarray(arms["none"][f"epochs, patience {name}"], np.float64) for name in ("10", "never"))
    return 0.5 - ran / of


CLAIM = Claim(
    number=42,
    title="what stopping saves",
    statement="Patience 10 on validation loss spares more than half of the epochs.",
    quote="It also saves compute, which matters in real training loops and hyperparameter searches.",
    source="003:144",
    cases=on(("digits", "synthetic"), {"none": WATCHED})
    | under("40 % wrong labels", "digits", {"none": WATCHED}, wrong=0.4)
    | under("40 % wrong labels", "synthetic", {"none": WATCHED}, wrong=0.4),
    contrast=Contrast(
        share_saved, ("epochs, patience 10", "epochs, patience never"), "0.5 minus the share of epochs run"
    ),
    least=0.0,
    unit="share of epochs",
    derive=stopped,
    advice={
        "holds": "Stop early in searches: half of the time is spared.",
        "fails": "Do not count on sparing half of the time.",
        "depends": "What stopping spares depends on when the loss turns: `epochs` was set long here where it does.",
        "not shown": "Do not count on sparing half of the time.",
    },
    functions=("train.fit", "train.halving"),
)
