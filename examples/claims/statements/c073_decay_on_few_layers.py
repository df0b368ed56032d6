from ..common import DECAY, arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=73,
    title="decay on one layer",
    statement="Decay on all layers beats decay on the last layer alone, each tuned.",
    quote="Prefer small, consistent penalties over huge penalties on a few layers",
    source="003:89",
    cases=on(("digits", "synthetic"), {"all layers": DECAY, "last layer": arm(decay_head=(1.0, 10.0, 100.0))}),
    contrast=more("all layers", "last layer"),
    least=0.005,
    advice={
        "holds": "Decay all kernels.",
        "fails": "Decay of the last layer alone does as well or better: try it.",
        "depends": "Decay all kernels.",
        "not shown": "Decay all kernels.",
    },
    functions=(
        "optim.with_decoupled_decay",
        "optim.matching",
    ),
)
