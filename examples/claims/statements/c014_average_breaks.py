from ..arms import Program, fixed
from ..contrasts import rising
from ..ledger import Claim, on

CLAIM = Claim(
    number=14,
    title="high rates break the average",
    statement="The distance of one pass from the mean of samples rises with the rate, from 0.2 to 0.8.",
    quote="why does this interpretation break down when you stack Dropout with very high rates across multiple layers?",
    source="002:72",
    cases=on(("digits", "synthetic"), {"dropout": fixed(Program(probe="averages"), dropout=(0.2, 0.4, 0.6, 0.8))}),
    contrast=rising("dropout", "distance", "dropout"),
    least=0.0,
    unit="nats",
    advice={
        "holds": "At high rates average over samples where probabilities count.",
        "fails": "One pass stays close to the mean at every rate.",
        "depends": "Compare both at high rates.",
        "not shown": "Compare both at high rates.",
    },
    functions=(
        "noise.dropout",
        "diagnose.mc_predict",
    ),
)
