import numpy as np

from ..arms import Program, fixed
from ..common import WATCHED
from ..contrasts import Contrast
from ..ledger import Claim, on
from ..stops import stopped

METRIC = "test accuracy, patience 10"

CLAIM = Claim(
    number=44,
    title="stopping on few validation rows",
    statement="Patience 10 on 20 validation rows costs over half a point of test accuracy against 300 and more.",
    quote="Early stopping: interacts badly with very noisy validation curves",
    source="000:197, 003:264",
    cases=on(("digits", "synthetic"), {"many": WATCHED, "few": fixed(Program(watch=True, num_valid=20))}),
    contrast=Contrast(
        lambda arms: np.subtract(*(np.asarray(arms[name][METRIC], np.float64) for name in ("many", "few"))),
        (METRIC,),
        "test accuracy where patience 10 stops: many validation rows minus 20",
    ),
    least=0.005,
    derive=stopped,
    advice={
        "holds": "Do not stop by 20 rows.",
        "fails": "Even 20 rows stop well enough.",
        "depends": "Give stopping a hundred rows or more.",
        "not shown": "Give stopping a hundred rows or more.",
    },
    functions=("train.fit",),
)
