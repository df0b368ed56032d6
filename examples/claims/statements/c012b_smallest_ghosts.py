from ..arms import Program, fixed
from ..contrasts import less
from ..ledger import Claim, on

WHOLE = Program(norm=True, batch_size=64)

CLAIM = Claim(
    number=12,
    title="the smallest batches in batch norm",
    statement="Ghost batches of 4 give a smaller gap than ghost batches of 8, at equal steps.",
    quote="Smaller batches produce noisier statistics and stronger regularization.",
    source="000:138",
    cases=on(
        ("digits", "synthetic"),
        {"ghosts of 4": fixed(WHOLE._replace(ghost=4)), "ghosts of 8": fixed(WHOLE._replace(ghost=8))},
    ),
    contrast=less("ghosts of 4", "ghosts of 8", "gap"),
    least=0.005,
    advice={
        "holds": "Go down to 4 examples per ghost batch if the gap is wide.",
        "fails": "Do not go below 8 examples: more noise stops being regularization.",
        "depends": "Go below 8 examples only if validation says so.",
        "not shown": "Stay at 8 examples or more.",
    },
    functions=("norm.batch_norm", "norm.batch_renorm"),
)
