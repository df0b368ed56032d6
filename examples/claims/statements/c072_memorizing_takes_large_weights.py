from ..arms import Program, fixed
from ..contrasts import Contrast
from ..ledger import Claim, on

CLAIM = Claim(
    number=72,
    title="weights that memorize",
    statement="Random labels end with weights of a norm over 1.2 times that of true labels.",
    quote="many memorizing solutions require large or fragile parameter configurations",
    source="003:58",
    cases=on(("digits", "synthetic"), {"random labels": fixed(Program(wrong=1.0)), "true labels": fixed()}),
    contrast=Contrast(
        lambda arms: arms["random labels"]["norm"].astype(float) / arms["true labels"]["norm"] - 1.2,
        ("norm",),
        "norm of weights, random labels over true labels, minus 1.2",
    ),
    least=0.0,
    unit="ratio",
    advice={
        "holds": "The norm of the weights is a sign of memorizing.",
        "fails": "The norm of the weights hardly tells what was learned.",
        "depends": "Compare norms on the same task only.",
        "not shown": "Compare norms on the same task only.",
    },
    functions=("optim.with_decoupled_decay",),
)
