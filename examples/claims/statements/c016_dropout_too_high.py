from ..arms import fixed
from ..contrasts import TRAIN, below
from ..ledger import Claim, on

CLAIM = Claim(
    number=16,
    title="dropout of 0.9",
    statement="Dropout of 0.9 prevents learning: training accuracy stays under 50 %.",
    quote="Excessively high dropout can prevent the network from learning at all",
    source="001:48",
    cases=on(("digits", "synthetic"), {"dropout 0.9": fixed(dropout=0.9)}),
    contrast=below("dropout 0.9", TRAIN, 0.5),
    least=0.0,
    advice={
        "holds": "Stay below 0.8.",
        "fails": "Even 0.9 learns: too high a rate costs accuracy, not learning.",
        "depends": "Try rates by validation; very high ones fail on some tasks.",
        "not shown": "Stay below 0.8.",
    },
    functions=("noise.dropout",),
)
