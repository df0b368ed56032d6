from ..common import CONV_DECAY, Helping, helps

CLAIM = helps(
    number=79,
    name="decoupled decay",
    strengths="0.3 and 3",
    quote="Use L2 weight decay instead (of dropout on small image sets)",
    source="002:38",
    function="optim.with_decoupled_decay",
    arms=Helping(conv=CONV_DECAY),
)
