from ..common import CONV_NONE, CONV_PIXELS, CONV_SEEDS
from ..contrasts import TEST, Contrast
from ..ledger import Claim, on

CLAIM = Claim(
    number=51,
    title="pixel dropout on convolutions",
    statement="On convolutions, dropping pixels at its best rate gains less than half a point over none.",
    quote="Standard dropout is ineffective for conv layers because adjacent activations are highly correlated",
    source="001:22",
    cases=on(("digit images", "fashion"), {"none": CONV_NONE, "pixels": CONV_PIXELS}, CONV_SEEDS),
    contrast=Contrast(
        lambda arms: 0.005 - (arms["pixels"][TEST].astype(float) - arms["none"][TEST]),
        (TEST,),
        "0.005 minus what dropping pixels gains",
    ),
    least=0.0,
    advice={
        "holds": "Leave pixels of feature maps alone.",
        "fails": "Dropping pixels does help convolutions: put it into the search.",
        "depends": "Put it into the search.",
        "not shown": "Put it into the search; expect little.",
    },
    functions=("noise.dropout",),
)
