import numpy as np

from ..arms import fixed
from ..common import NORM, WATCHED
from ..contrasts import Contrast
from ..ledger import Claim, on


def epochs_needed(scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The first epoch with 95 % of the training rows right, without noise; all epochs where that is never reached."""
    curve = scores["train accuracy by epoch"]
    reached = curve >= 0.95
    first = np.where(reached.any(-1), reached.argmax(-1), curve.shape[-1] - 1) + 1
    return {"epochs needed": first.astype(np.float32)}


CLAIM = Claim(
    number=77,
    title="batch norm and speed",
    statement="Batch norm reaches 95 % training accuracy in at most half of the epochs.",
    quote="BN stabilizes the scale of internal signals so optimization is less fragile (you often can train faster",
    source="003:178",
    cases=on(("digits", "synthetic"), {"norm": fixed(NORM._replace(watch=True)), "none": WATCHED}),
    contrast=Contrast(
        lambda arms: 0.5 - np.asarray(arms["norm"]["epochs needed"], np.float64) / arms["none"]["epochs needed"],
        ("epochs needed",),
        "0.5 minus the ratio of epochs needed",
    ),
    least=0.0,
    unit="ratio of epochs",
    derive=epochs_needed,
    advice={
        "holds": "Use batch norm for speed.",
        "fails": "In networks this shallow batch norm does not halve the epochs.",
        "depends": "Use batch norm for speed where training is slow.",
        "not shown": "Use batch norm for speed where training is slow.",
    },
    functions=("norm.batch_norm",),
)
