from ..common import DECAY, arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=8,
    title="AdamW against Adam with L2",
    statement="Decoupled decay beats L2 in Adam's gradient, each at the best of an equal grid.",
    quote="For adaptive optimizers (Adam, RMSprop), decoupled weight decay (AdamW) performs significantly better.",
    source="001:49, 000:58, 002:66",
    cases=on(("digits", "synthetic"), {"AdamW": DECAY, "Adam with L2": arm(coupled=(3e-4, 3e-3, 3e-2))}),
    contrast=more("AdamW", "Adam with L2"),
    least=0.005,
    advice={
        "holds": "Use decoupled decay.",
        "fails": "Tune either: at the best of equal grids AdamW is not half a point better. It is still the easier one "
        "to tune, since its strength does not depend on the loss.",
        "depends": "Try both where decay matters.",
        "not shown": "Use decoupled decay for the meaning of its number, not for accuracy.",
    },
    functions=("optim.with_decoupled_decay", "optim.add_l2"),
)
