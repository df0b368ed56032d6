from ..common import CONV_MAPS, CONV_PIXELS, CONV_SEEDS
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=51,
    title="spatial dropout against pixels",
    statement="On convolutions, dropping whole maps beats dropping pixels, each at its best rate.",
    quote="spatial dropout (dropping entire feature maps, not individual pixels) works significantly better",
    source="002:19, 001:22",
    cases=on(("digit images", "fashion"), {"maps": CONV_MAPS, "pixels": CONV_PIXELS}, CONV_SEEDS),
    contrast=more("maps", "pixels"),
    least=0.005,
    advice={
        "holds": "Drop whole maps.",
        "fails": "Whole maps are not half a point better than pixels at this size: tune the rate.",
        "depends": "Try both.",
        "not shown": "Try both; the difference is small at this size.",
    },
    functions=("noise.spatial_dropout", "noise.dropout"),
)
