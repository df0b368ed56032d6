from ..common import arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=68,
    title="rates that fall towards the head",
    statement="Dropout of 0.5 and then 0.3 beats 0.4 at both layers.",
    quote="use progressive dropout -- higher rates in earlier, wider layers",
    source="002:69",
    cases=on(("digits", "synthetic"), {"falling": arm(early=0.5, late=0.3), "even": arm(dropout=0.4)}),
    contrast=more("falling", "even"),
    least=0.002,
    advice={
        "holds": "Let the rate fall towards the head.",
        "fails": "An even rate does as well.",
        "depends": "Try both profiles.",
        "not shown": "An even rate is simpler.",
    },
    functions=("noise.dropout",),
)
