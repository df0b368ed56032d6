from ..arms import fixed
from ..common import CNN, CONV_SEEDS
from ..contrasts import TEST, rising
from ..ledger import Claim, on

CLAIM = Claim(
    number=55,
    title="decay of 1e-4",
    statement="Decoupled decay of 1e-4 gains over 0.2 points of test accuracy over none.",
    quote="Weight decay of 1e-4 is nearly universal in CNN training",
    source="001:36",
    cases=on(("digits", "synthetic"), {"decay": fixed(decay=(0.0, 1e-4))})
    | on("fashion", {"decay": fixed(CNN, decay=(0.0, 1e-4))}, CONV_SEEDS),
    contrast=rising("decay", TEST, "decay"),
    least=0.002,
    advice={
        "holds": "Keep 1e-4 as a default.",
        "fails": "Decay of 1e-4 does nothing in runs as short as these: what acts is decay times the sum of the "
        "learning rates.",
        "depends": "Tune decay: a default does nothing somewhere.",
        "not shown": "Tune decay: a default may do nothing.",
    },
    functions=("optim.with_decoupled_decay",),
)
