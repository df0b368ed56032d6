from ..common import CONV_NONE, CONV_SEEDS, conv
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=27,
    title="transforms that change the class",
    statement="Mirroring half of the images costs over half a point of test accuracy.",
    quote="Data augmentation interacts badly with: domain-specific (invalid transforms hurt)",
    source="000:195",
    cases=on(("digit images", "fashion"), {"none": CONV_NONE, "mirrored": conv(mirrored=0.5)}, CONV_SEEDS),
    contrast=more("none", "mirrored"),
    least=0.005,
    advice={
        "holds": "Never mirror without thought.",
        "fails": "Mirroring costs little even here.",
        "depends": "Mirror clothes, not digits: use the transforms that leave the class alone.",
        "not shown": "Use the transforms that leave the class alone.",
    },
    functions=("augment.random_flip",),
)
