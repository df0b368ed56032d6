from ..common import CONV_NONE, CONV_SEEDS, CONV_SMOOTHED
from ..contrasts import less
from ..ledger import Claim, on

CLAIM = Claim(
    number=37,
    title="label smoothing and log loss in convolutions",
    statement="Label smoothing of 0.1 lowers the log loss of the test rows.",
    quote="reducing overconfidence",
    source="001:51, 000:169",
    cases=on("fashion", {"smoothing 0.1": CONV_SMOOTHED, "none": CONV_NONE}, CONV_SEEDS),
    contrast=less("smoothing 0.1", "none", "test loss"),
    least=0.0,
    unit="nats",
    advice={
        "holds": "Where the log loss counts, smooth; a temperature may do as well.",
        "fails": "Do not smooth for the log loss.",
        "depends": "Smooth where the network is over-confident: compare the log loss of validation rows.",
        "not shown": "Compare the log loss of validation rows first.",
    },
    functions=("targets.smoothed_cross_entropy", "diagnose.negative_log_likelihood"),
)
