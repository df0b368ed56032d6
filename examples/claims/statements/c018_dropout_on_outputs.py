from ..common import NONE, arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=18,
    title="dropout on the outputs",
    statement="Dropout of 0.2 on the logits lowers test accuracy against none.",
    quote="Do not apply dropout to the output layer.",
    source="000:133, 002:69",
    cases=on(("digits", "synthetic"), {"none": NONE, "dropout on logits": arm(outputs=0.2)}),
    contrast=more("none", "dropout on logits"),
    least=0.005,
    advice={
        "holds": "Keep dropout off the logits.",
        "fails": "It costs less than half a point here; there is still no reason to put it there.",
        "depends": "Keep dropout off the logits unless validation says otherwise.",
        "not shown": "Keep dropout off the logits; the cost in accuracy is small.",
    },
    functions=("noise.dropout", "diagnose.lint"),
)
