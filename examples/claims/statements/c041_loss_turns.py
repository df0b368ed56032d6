import numpy as np

from ..common import WATCHED
from ..contrasts import Contrast
from ..ledger import Claim, on, under
from ..stops import stopped

CLAIM = Claim(
    number=41,
    title="the validation loss turns",
    statement="Without regularization the validation loss ends over 10 % above its least value.",
    quote="training loss keeps dropping, but validation loss turns upward",
    source="000:171, 000:180",
    cases=on(("digits", "synthetic"), {"none": WATCHED})
    | under("40 % wrong labels", "digits", {"none": WATCHED}, wrong=0.4)
    | under("40 % wrong labels", "synthetic", {"none": WATCHED}, wrong=0.4),
    contrast=Contrast(
        lambda arms: np.asarray(arms["none"]["rise of the loss"], np.float64) - 0.1,
        ("rise of the loss",),
        "last validation loss over the least, minus 1.1",
    ),
    least=0.0,
    unit="share of the loss",
    derive=stopped,
    advice={
        "holds": "Expect the loss to turn, and do not read it as falling accuracy.",
        "fails": "A loss that stays flat is no proof that nothing is memorized: look at the gap.",
        "depends": "On easy tasks the loss stays flat while the gap is there: look at the gap.",
        "not shown": "Look at the gap.",
    },
    functions=("diagnose.curves",),
)
