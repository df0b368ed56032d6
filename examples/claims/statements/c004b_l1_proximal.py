from ..common import L1
from ..contrasts import above
from ..ledger import Claim, on

CLAIM = Claim(
    number=4,
    title="zeros under proximal L1 at no cost",
    statement="A proximal step of L1, chosen by validation, makes over 30 % of the weights exactly zero.",
    quote="encourages sparsity (some connections become exactly 0)",
    source="003:54, 000:56",
    cases=on(("digits", "synthetic"), {"L1": L1}),
    contrast=above("L1", "zeros", 0.3),
    least=0.0,
    unit="share of weights",
    advice={
        "holds": "Use the proximal step: the strength that validation prefers is sparse as well.",
        "fails": "Validation prefers weak L1: sparsity has to be asked for, at a price in accuracy.",
        "depends": "Sparsity at no cost depends on the task: look at zeros beside the score.",
        "not shown": "Look at zeros beside the score.",
    },
    functions=("optim.with_l1", "diagnose.sparsity"),
)
