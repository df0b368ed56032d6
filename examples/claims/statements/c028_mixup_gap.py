from ..common import MIXUP, NONE
from ..contrasts import less
from ..ledger import Claim, on

CLAIM = Claim(
    number=28,
    title="mixup and the gap",
    statement="Tuned mixup narrows the gap between training and test accuracy.",
    quote="Mixup encourages the network to behave linearly between training examples, which reduces overfitting.",
    source="000:150",
    cases=on(("digits", "synthetic"), {"mixup": MIXUP, "none": NONE}),
    contrast=less("mixup", "none", "gap"),
    least=0.005,
    advice={
        "holds": "Mixup narrows the gap.",
        "fails": "Mixup does not narrow the gap.",
        "depends": "Mixup narrows the gap where mixed rows make sense.",
        "not shown": "Look at the gap with and without.",
    },
    functions=("augment.mixup",),
)
