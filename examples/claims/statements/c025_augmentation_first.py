from ..common import (
    CONV_BLOCKS,
    CONV_DECAY,
    CONV_DROPOUT,
    CONV_MAPS,
    CONV_MOVED,
    CONV_SEEDS,
    CONV_SMOOTHED,
)
from ..contrasts import best_of
from ..ledger import Claim, on

OTHERS = {
    "decay": CONV_DECAY,
    "dropout": CONV_DROPOUT,
    "maps": CONV_MAPS,
    "DropBlock": CONV_BLOCKS,
    "smoothing": CONV_SMOOTHED,
}
ARMS = {"augmentation": CONV_MOVED, **OTHERS}

CLAIM = Claim(
    number=25,
    title="augmentation against everything else",
    statement="Small shifts and turns gain more than the best of decay, dropout, spatial dropout, DropBlock and "
    "smoothing.",
    quote="It is often the single most effective regularizer for deep networks, especially in computer vision.",
    source="000:142, 000:269",
    cases=on(("digit images", "fashion"), ARMS, CONV_SEEDS),
    contrast=best_of(("augmentation",), tuple(OTHERS)),
    least=0.005,
    advice={
        "holds": "Augment first, then tune the rest.",
        "fails": "Plain augmentation does not lead here: tune mixup and noise beside it.",
        "depends": "Augment with what your data really vary in: where they are centred and upright, shifts and turns "
        "bring less.",
        "not shown": "Put augmentation into the search beside the rest.",
    },
    functions=("augment.random_affine", "augment.chain"),
)
