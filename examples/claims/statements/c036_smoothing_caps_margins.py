from ..arms import Program, fixed
from ..contrasts import Contrast
from ..ledger import Claim, on

CLAIM = Claim(
    number=36,
    title="smoothing caps the margin",
    statement="Smoothing of 0.1 keeps the margin of the training rows within 1.1 times log((1 - e + e/K) / (e/K)).",
    quote="Soft targets cap this: the model only needs to get close to 0.9, not 1.0.",
    source="000:160, 000:169",
    cases=on(("digits", "synthetic"), {"smoothing 0.1": fixed(Program(probe="logits"), smoothing=0.1)}),
    contrast=Contrast(
        lambda arms: 1.1 - arms["smoothing 0.1"]["margin share"].astype(float),
        ("margin share",),
        "1.1 minus the margin over its bound",
    ),
    least=0.0,
    unit="ratio",
    advice={
        "holds": "Smoothing bounds the logits, at the value of the formula.",
        "fails": "The bound is not kept.",
        "depends": "The bound is not kept everywhere.",
        "not shown": "Look at the margins.",
    },
    functions=("targets.smoothed_cross_entropy",),
)
