from ..common import CONNECT, Helping, helps

CLAIM = helps(
    number=79,
    name="DropConnect",
    strengths="0.1 to 0.4",
    quote="Research settings; rare in practice",
    source="000:198",
    function="noise.dropconnect",
    arms=Helping(CONNECT),
)
