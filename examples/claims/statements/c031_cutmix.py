from ..common import CONV_MIXUP, CONV_SEEDS, conv
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=31,
    title="CutMix against mixup",
    statement="On convolutions CutMix beats mixup, each tuned.",
    quote="CutMix combines Cutout and Mixup",
    source="000:152",
    cases=on(("digit images", "fashion"), {"CutMix": conv(cutmix=(0.5, 1.0)), "mixup": CONV_MIXUP}, CONV_SEEDS),
    contrast=more("CutMix", "mixup"),
    least=0.005,
    advice={
        "holds": "Prefer CutMix on images.",
        "fails": "Prefer mixup at this size: CutMix is not half a point better.",
        "depends": "Try both.",
        "not shown": "Try both.",
    },
    functions=(
        "augment.cutmix",
        "augment.mixup",
    ),
)
