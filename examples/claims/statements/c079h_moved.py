from ..common import CONV_MOVED, Helping, helps

CLAIM = helps(
    number=79,
    name="shifts and turns",
    strengths="5 and 10 %",
    quote="Teaches invariance to slight changes in orientation.",
    source="000:145, 000:146",
    function="augment.random_affine",
    arms=Helping(conv=CONV_MOVED),
)
