from ..common import BOTH, DECAY, DROPOUT
from ..contrasts import best_of
from ..ledger import Claim, on

CLAIM = Claim(
    number=6,
    title="two regularizers against one",
    statement="Dropout with decay beats the better of the two alone, each tuned.",
    quote="The best results typically come from combining several of them.",
    source="000:50, 000:228",
    cases=on(("digits", "synthetic"), {"both": BOTH, "decay": DECAY, "dropout": DROPOUT}),
    contrast=best_of(("both",), ("decay", "dropout")),
    least=0.005,
    advice={
        "holds": "Combine dropout and decay.",
        "fails": "One tuned regularizer does as well as two: tune one first.",
        "depends": "Combine them where each alone gains.",
        "not shown": "Tune one first.",
    },
    functions=(
        "noise.dropout",
        "optim.with_decoupled_decay",
    ),
)
