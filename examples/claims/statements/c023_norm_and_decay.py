from ..common import NORM_DECAY, NORM_NONE
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=23,
    title="decay beside batch norm",
    statement="Batch norm with tuned decay beats batch norm alone.",
    quote="Batch norm alone is usually not enough regularization. You will still want weight decay",
    source="000:140",
    cases=on(("digits", "synthetic"), {"norm and decay": NORM_DECAY, "norm": NORM_NONE}),
    contrast=more("norm and decay", "norm"),
    least=0.005,
    advice={
        "holds": "Add decay to batch norm.",
        "fails": "Batch norm needs no decay here.",
        "depends": "Tune decay beside batch norm.",
        "not shown": "Tune decay beside batch norm.",
    },
    functions=(
        "norm.batch_norm",
        "optim.with_decoupled_decay",
    ),
)
