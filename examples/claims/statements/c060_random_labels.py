from ..arms import Program, fixed
from ..contrasts import TRAIN, above
from ..ledger import Claim, on

CLAIM = Claim(
    number=60,
    title="memorizing random labels",
    statement="A network without regularization learns wholly random labels to over 99 % training accuracy.",
    quote="deep networks with millions of parameters will memorize training data, achieving near-zero training loss",
    source="001:34",
    cases=on(("digits", "synthetic"), {"random labels": fixed(Program(wrong=1.0))}),
    contrast=above("random labels", TRAIN, 0.99),
    least=0.0,
    advice={
        "holds": "Training accuracy says nothing about what was learned.",
        "fails": "A network of this size memorizes part of the rows only.",
        "depends": "How much is memorized depends on rows against weights.",
        "not shown": "Do not read training accuracy.",
    },
    functions=("diagnose.curves",),
)
