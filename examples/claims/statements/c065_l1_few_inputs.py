from ..common import DECAY, L1
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=65,
    title="L1 where few inputs matter",
    statement="Where 10 of 50 inputs matter, tuned L1 beats tuned L2 decay in test accuracy; on digits as well.",
    quote="Use L1 when you suspect only a subset of your input features are genuinely useful.",
    source="002:8",
    cases=on(("synthetic", "digits"), {"L1": L1, "decay": DECAY}),
    contrast=more("L1", "decay"),
    least=0.005,
    advice={
        "holds": "Try proximal L1 first where many inputs may be noise.",
        "fails": "Prefer decay: L1 is not half a point better even where it should be.",
        "depends": "Use proximal L1 where you know that most inputs are noise, and decay elsewhere.",
        "not shown": "Tune both where inputs may be noise.",
    },
    functions=("optim.with_l1", "optim.with_decoupled_decay"),
)
