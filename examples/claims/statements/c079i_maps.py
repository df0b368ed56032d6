from ..common import CONV_MAPS, Helping, helps

CLAIM = helps(
    number=79,
    name="spatial dropout",
    strengths="0.1 and 0.25",
    quote="SpatialDropout2d with low rates (0.1-0.2) is safer than standard Dropout.",
    source="002:38",
    function="noise.spatial_dropout",
    arms=Helping(conv=CONV_MAPS),
)
