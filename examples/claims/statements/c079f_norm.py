from ..common import NORM_NONE, Helping, helps

CLAIM = helps(
    number=79,
    name="batch norm",
    strengths="no strength",
    quote="It can also regularize because batch-to-batch statistic noise perturbs activations during training.",
    source="003:179",
    function="norm.batch_norm",
    arms=Helping(NORM_NONE),
)
