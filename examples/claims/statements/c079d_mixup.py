from ..common import MIXUP, Helping, helps

CLAIM = helps(
    number=79,
    name="mixup",
    strengths="0.2 to 1",
    quote="Mixup encourages the network to behave linearly between training examples, which reduces overfitting.",
    source="000:150",
    function="augment.mixup",
    arms=Helping(MIXUP),
)
