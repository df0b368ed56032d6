import numpy as np

from ..arms import Program, fixed
from ..contrasts import Arms, Contrast
from ..ledger import Claim, on


def epochs_needed(scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The first epoch with 99 % of the training rows right, without noise; all epochs where that is never reached."""
    curve = scores["train accuracy by epoch"]
    reached = curve >= 0.99
    first = np.where(reached.any(-1), reached.argmax(-1), curve.shape[-1] - 1) + 1
    return {"epochs needed": first.astype(np.float32)}


def within(arms: Arms) -> np.ndarray:
    ratio = np.asarray(arms["dropout"]["epochs needed"], np.float64) / arms["none"]["epochs needed"]
    return 0.25 - np.abs(ratio - 1.75)


WATCH = Program(watch=True)
ARMS = {"dropout": fixed(WATCH, dropout=0.4), "none": fixed(WATCH)}

CLAIM = Claim(
    number=69,
    title="epochs needed under dropout",
    statement="With dropout 0.4 a network needs 1.5 to 2 times as many epochs to 99 % training accuracy.",
    quote="you may need 1.5-2x more epochs to reach the same training accuracy",
    source="002:81",
    cases=on(("digits", "synthetic"), ARMS),
    contrast=Contrast(within, ("epochs needed",), "0.25 minus the distance of the ratio of epochs from 1.75"),
    least=0.0,
    unit="ratio of epochs",
    derive=epochs_needed,
    advice={
        "holds": "Give a network with dropout up to twice the epochs.",
        "fails": "The factor is another one: train until the loss without noise stops falling, whatever the count.",
        "depends": "The factor depends on the task: watch the loss without noise.",
        "not shown": "Watch the loss without noise.",
    },
    functions=("noise.dropout", "train.fit"),
)
