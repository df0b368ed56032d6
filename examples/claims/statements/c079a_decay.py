from ..common import DECAY, Helping, helps

CLAIM = helps(
    number=79,
    name="decoupled decay",
    strengths="0.3 to 10",
    quote="Always use L2 weight decay (AdamW)",
    source="000:267, 003:88",
    function="optim.with_decoupled_decay",
    arms=Helping(DECAY),
)
