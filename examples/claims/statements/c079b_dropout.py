from ..common import DROPOUT, Helping, helps

CLAIM = helps(
    number=79,
    name="dropout",
    strengths="0.1 to 0.4",
    quote="Dropout: Fully connected layers; large models",
    source="000:193, 002:79",
    function="noise.dropout",
    arms=Helping(DROPOUT),
)
