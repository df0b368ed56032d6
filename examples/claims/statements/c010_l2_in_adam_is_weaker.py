import numpy as np

from ..arms import fixed
from ..contrasts import Contrast
from ..ledger import Claim, on

SAME = (1e-3, 1e-2, 1e-1)

CLAIM = Claim(
    number=10,
    title="L2 in Adam at the same number",
    statement="At the same number, Adam with L2 leaves larger weights than AdamW.",
    quote="regularization seems weaker than expected; the model still overfits even with high weight_decay values",
    source="002:70",
    cases=on(("digits", "synthetic"), {"Adam with L2": fixed(coupled=SAME), "AdamW": fixed(decay=SAME)}),
    contrast=Contrast(
        lambda arms: np.log(arms["Adam with L2"].scores["norm"].astype(float) / arms["AdamW"].scores["norm"]).mean(
            axis=0
        ),
        ("norm",),
        "logarithm of the ratio of norms, mean over three strengths",
    ),
    least=0.0,
    unit="logarithm of a ratio",
    advice={
        "holds": "Expect less of the same number inside Adam.",
        "fails": "Inside Adam the same number shrinks more, not less, as its gradient is divided by its own size: do "
        "not carry a number from one form to the other.",
        "depends": "Do not carry a number from one form to the other.",
        "not shown": "Do not carry a number from one form to the other.",
    },
    functions=(
        "optim.add_l2",
        "optim.with_decoupled_decay",
        "diagnose.audit_optimizer",
    ),
)
