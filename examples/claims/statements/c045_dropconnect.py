from ..common import CONNECT, DROPOUT
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=45,
    title="DropConnect against dropout",
    statement="Tuned DropConnect beats tuned dropout.",
    quote="This is more fine-grained than dropout but also more expensive to implement.",
    source="000:185",
    cases=on(("digits", "synthetic"), {"DropConnect": CONNECT, "dropout": DROPOUT}),
    contrast=more("DropConnect", "dropout"),
    least=0.005,
    advice={
        "holds": "Try DropConnect.",
        "fails": "Use dropout: DropConnect is not half a point better, and costs more.",
        "depends": "Try both.",
        "not shown": "Use dropout.",
    },
    functions=(
        "noise.dropconnect",
        "noise.dropout",
    ),
)
