from ..common import L1, Helping, helps

CLAIM = helps(
    number=79,
    name="proximal L1",
    strengths="1e-4 to 3e-2",
    quote="L1: When you want sparse weights",
    source="000:192",
    function="optim.with_l1",
    arms=Helping(L1),
)
