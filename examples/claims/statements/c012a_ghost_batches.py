from ..arms import Program, fixed
from ..contrasts import less
from ..ledger import Claim, on

WHOLE = Program(norm=True, batch_size=64)

CLAIM = Claim(
    number=12,
    title="smaller batches in batch norm",
    statement="Ghost batches of 8 give a smaller gap than whole batches of 64, at equal steps.",
    quote="Smaller batches produce noisier statistics and stronger regularization.",
    source="000:138, 000:43",
    cases=on(("digits", "synthetic"), {"ghosts of 8": fixed(WHOLE._replace(ghost=8)), "whole batch": fixed(WHOLE)}),
    contrast=less("ghosts of 8", "whole batch", "gap"),
    least=0.005,
    advice={
        "holds": "Ghost batches of 8 to 16 are a knob for the noise of batch norm.",
        "fails": "Noise of batch norm does not close the gap: use a regularizer that does.",
        "depends": "Try a ghost batch of 8 to 16, and judge by validation.",
        "not shown": "Try a ghost batch of 8 to 16, and judge by validation.",
    },
    functions=("norm.batch_norm",),
)
