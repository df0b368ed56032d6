from ..common import CONV_BLOCKS, CONV_PIXELS, CONV_SEEDS
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=50,
    title="DropBlock against pixels",
    statement="On convolutions, dropping blocks of 3 beats dropping pixels, each at its best rate.",
    quote="DropBlock addresses this by dropping contiguous rectangular regions of the feature map.",
    source="001:22",
    cases=on(("digit images", "fashion"), {"DropBlock": CONV_BLOCKS, "pixels": CONV_PIXELS}, CONV_SEEDS),
    contrast=more("DropBlock", "pixels"),
    least=0.005,
    advice={
        "holds": "Drop blocks, not pixels.",
        "fails": "Blocks are not half a point better than pixels at this size.",
        "depends": "Try both.",
        "not shown": "Try both; the difference is small at this size.",
    },
    functions=("noise.dropblock", "noise.dropout"),
)
