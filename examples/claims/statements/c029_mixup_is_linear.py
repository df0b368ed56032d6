from ..arms import Program
from ..common import arm
from ..contrasts import less
from ..ledger import Claim, on

PROBED = Program(probe="smoothness")

CLAIM = Claim(
    number=29,
    title="mixup makes it linear",
    statement="Tuned mixup makes predictions half-way between two test rows closer to the mean of theirs.",
    quote="Mixup encourages the network to behave linearly between training examples",
    source="000:150",
    cases=on(("digits", "synthetic"), {"mixup": arm(PROBED, mixup=(0.2, 0.5, 1.0)), "none": arm(PROBED)}),
    contrast=less("mixup", "none", "bend"),
    least=0.0,
    unit="total variation",
    advice={
        "holds": "Mixup does what it says.",
        "fails": "Mixup does not straighten predictions.",
        "depends": "Mixup straightens where classes mix.",
        "not shown": "Measure it if you rely on it.",
    },
    functions=("augment.mixup",),
)
