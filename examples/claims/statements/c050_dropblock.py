from ..common import CONV_BLOCKS, CONV_NONE, CONV_SEEDS
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=50,
    title="DropBlock against none",
    statement="DropBlock (blocks of 3) at its best rate gains over half a point of test accuracy over none.",
    quote="DropBlock improved ResNet-50 top-1 accuracy by 1.6% on ImageNet compared to no spatial dropout.",
    source="001:37",
    cases=on(("digit images", "fashion"), {"DropBlock": CONV_BLOCKS, "none": CONV_NONE}, CONV_SEEDS),
    contrast=more("DropBlock", "none"),
    least=0.005,
    advice={
        "holds": "Try DropBlock on convolutions.",
        "fails": "Do not expect of DropBlock on small networks what it gave on ImageNet.",
        "depends": "Try DropBlock where images are large against the blocks.",
        "not shown": "Try it behind augmentation.",
    },
    functions=("noise.dropblock",),
)
