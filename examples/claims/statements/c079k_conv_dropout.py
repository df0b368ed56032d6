from ..common import CONV_DROPOUT, Helping, helps

CLAIM = helps(
    number=79,
    name="dropout",
    strengths="0.2 and 0.4",
    quote="Dropout: Fully connected layers; large models",
    source="000:193",
    function="noise.dropout",
    arms=Helping(conv=CONV_DROPOUT),
)
