from ..arms import Program, fixed
from ..contrasts import Contrast
from ..ledger import Case, Claim, on


def long_and_short(task: str, epochs: int) -> dict[str, Case]:
    programs = {"short": Program(probe="logits", epochs=epochs), "long": Program(probe="logits", epochs=4 * epochs)}
    return on(task, {name: fixed(program) for name, program in programs.items()})


CLAIM = Claim(
    number=35,
    title="margins without bound",
    statement="Under hard targets the margin of the training rows grows by over 20 % with four times the epochs.",
    quote="the model tries to make the logit for the correct class infinitely larger than all others",
    source="000:160",
    cases={**long_and_short("digits", 100), **long_and_short("synthetic", 60)},
    contrast=Contrast(
        lambda arms: arms["long"]["margin"].astype(float) / arms["short"]["margin"] - 1.2,
        ("margin",),
        "ratio of margins minus 1.2",
    ),
    least=0.0,
    unit="ratio",
    advice={
        "holds": "Confidence grows with training time: stop, smooth or decay where it counts.",
        "fails": "Margins settle by themselves here.",
        "depends": "Watch the margins.",
        "not shown": "Watch the margins.",
    },
    functions=(
        "targets.smoothed_cross_entropy",
        "penalty.l2",
    ),
)
