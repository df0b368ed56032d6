from ..arms import Program
from ..common import DECAYS, arm
from ..contrasts import less
from ..ledger import Claim, on

PROBED = Program(probe="smoothness")

CLAIM = Claim(
    number=71,
    title="decay and small changes",
    statement="Tuned decay makes probabilities move less under small noise on the inputs.",
    quote="L2 tends to make the learned function smoother and less sensitive to small input changes",
    source="003:53, 001:26",
    cases=on(("digits", "synthetic"), {"decay": arm(PROBED, decay=DECAYS), "none": arm(PROBED)}),
    contrast=less("decay", "none", "shift under noise"),
    least=0.0,
    unit="total variation",
    advice={
        "holds": "Decay makes predictions calmer.",
        "fails": "Decay does not make predictions calmer: penalize the slope itself.",
        "depends": "Measure the slope where it counts.",
        "not shown": "Measure the slope where it counts.",
    },
    functions=(
        "optim.with_decoupled_decay",
        "penalty.jacobian",
    ),
)
