from ..common import DEEP, arm
from ..contrasts import more
from ..ledger import Claim, on

CLAIM = Claim(
    number=49,
    title="stochastic depth's linear rule",
    statement="Rates that rise linearly with depth beat one rate of the same mean, in 12 residual blocks.",
    quote="Stochastic Depth (Huang et al., 2016): Randomly drops entire residual blocks during training.",
    source="001:30, Huang et al. 2016, section 3",
    cases=on(
        ("digits", "synthetic"),
        {
            "linear rule": arm(DEEP, depth=(0.2, 0.4, 0.6)),
            "one rate": arm(DEEP, flat=tuple(rate * 6.5 / 12 for rate in (0.2, 0.4, 0.6))),
        },
    ),
    contrast=more("linear rule", "one rate"),
    least=0.005,
    advice={
        "holds": "Let the rate rise with depth.",
        "fails": "One rate does as well: tune its size, not its shape.",
        "depends": "Try both shapes.",
        "not shown": "Use the linear rule as the usual choice; expect nothing of it.",
    },
    functions=("noise.stochastic_depth", "noise.depth_rates"),
)
