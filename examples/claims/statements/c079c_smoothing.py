from ..common import SMOOTHED, Helping, helps

CLAIM = helps(
    number=79,
    name="label smoothing",
    strengths="0.1",
    quote="Try label smoothing for classification tasks with many classes.",
    source="000:272",
    function="targets.smoothed_cross_entropy",
    arms=Helping(SMOOTHED),
)
