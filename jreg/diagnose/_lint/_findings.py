"""What lint reports: for each code one sentence, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ._program import Place
from ._source import user_line


class Finding(NamedTuple):
    """A mistake in a program. Printed, it is a line as compilers write it.

    Attributes:
      code: which mistake; `lint` lists them.
      message: one sentence.
      file: the user's file, or "" if no frame of the trace is the user's.
      line: the line in it, or 0.
      fix: what to do instead.
    """

    code: str
    message: str
    file: str
    line: int
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file else ""
        return f"{where}{self.code}: {self.message} {self.fix}"


MESSAGES = {
    "key-reused": (
        "{what} draws from a key that has been drawn from already, so both draw the same bits.",
        "Split the key once, and give each draw a child of its own.",
    ),
    "key-split-and-drawn": (
        "A key is both drawn from and split, so the children repeat bits of the draw.",
        "Draw from a child: `key, draw_key = split(key)`.",
    ),
    "key-split-and-folded": (
        "A key is both split and folded; fold_in(key, i) is split(key, n)[i], so the children collide.",
        "Split the key first, and fold into one of its children.",
    ),
    "key-shared-by-vmap": (
        "{what} draws once for all examples of a vmap, since the key is not mapped over.",
        "Split the key into one per example, and map over the keys: `vmap(f)(x, split(key, len(x)))`.",
    ),
    "key-shared-by-loop": (
        "{what} draws the same noise in every {step} of a loop, since the key does not change.",
        "Scan over keys, `split(key, n)`, or fold the step into the key.",
    ),
    "key-constant": (
        "{what} draws from a key that is no argument of {function}, so every call draws the same noise.",
        "Take the key as an argument; with no key there should be no noise.",
    ),
    "key-unused": (
        "The loss is given a key, at {what}, and draws nothing from it.",
        "Pass the key on to the model, in its training mode; if every rate is 0 on purpose, leave the argument out.",
    ),
    "noise-in-evaluation": (
        "{what} draws noise in {function}, which is an evaluation.",
        "Evaluate without a key: in jreg None, in flax deterministic=True, in equinox inference=True.",
    ),
    "augmentation-in-evaluation": (
        "{what} augments at random in {function}, which is an evaluation.",
        "Give it the key None, or call the deterministic transform.",
    ),
    "dropout-before-batch-norm": (
        "{what} comes before a batch norm, whose running variance is then too large at inference.",
        "Put the dropout behind the last batch norm; `diagnose.variance_shift` measures the shift.",
    ),
    "dropout-on-logits": (
        "{what} is applied to the logits of a loss: a dropped class gets the logit 0, not the probability 0.",
        "Drop the features before the last layer.",
    ),
    "dropout-on-integers": (
        "{what} scales class ids or tokens as if they were numbers: another id is another word.",
        "Drop after the embedding, or drop whole tokens with `augment.token_dropout`.",
    ),
    "dropout-on-maps": (
        "{what} drops single elements between two convolutions, where neighbours carry the same information.",
        "Drop whole maps, `noise.spatial_dropout`, or blocks, `noise.dropblock`.",
    ),
    "depth-without-skip": (
        "{what} drops whole examples of a branch that nothing is added to, so they lose all information.",
        "Write `x + noise.stochastic_depth(key, f(x), rate)`.",
    ),
    "smoothing-twice": (
        "Labels that are smooth already are smoothed again.",
        "Smooth in one place: the labels, or the loss.",
    ),
    "smoothing-and-distillation": (
        "Label smoothing stands beside distillation, whose targets are soft already: it takes their detail away.",
        "Use smoothing 0 beside distillation.",
    ),
    "mixing-without-labels": (
        "The inputs are mixed with other examples, but the labels of the loss are not.",
        "Mix both with one weight: `augment.mixup(key, (x, jax.nn.one_hot(y, k)), alpha)`.",
    ),
    "batch-norm-of-few": (
        "Batch norm takes its statistics over {what} values, so they are mostly noise.",
        "Use 8 values or more per feature, larger ghost batches, or a norm over features.",
    ),
    "batch-norm-in-recurrence": (
        "Batch norm normalizes the state of a recurrence, with one set of running statistics for all time steps.",
        "Use layer norm inside the recurrence, or batch norm on its inputs alone.",
    ),
    "batch-norm-by-running-stats": (
        "Batch norm normalizes training data by its running statistics, which hold little of the batch's own.",
        "Normalize by the statistics of the batch; equinox does with mode='batch'.",
    ),
    "batch-norm-stats-lost": (
        "Batch norm's new running statistics are computed and thrown away, so inference uses the initial ones.",
        "Return them from the loss, and put them into the next step.",
    ),
    "rate-high": (
        "{what} drops {rate:.0%} of its input.",
        "If {kept:.2g} is the share to drop, pass that: the rate is the probability of dropping, not of keeping.",
    ),
    "decay-mask-inverted": (
        "Only what is no kernel is decayed: {what}; the mask is inverted.",
        "A mask is True where weights are decayed: `mask=optim.kernels`.",
    ),
    "decay-of-norms-and-biases": (
        "Besides the kernels, {what} are decayed: their zero is no simpler model.",
        "Decay the kernels alone: `mask=optim.kernels`.",
    ),
    "decay-twice": (
        "{what} decay the same weights.",
        "Keep one; `optax.adamw` and `optax.lion` decay by default.",
    ),
    "prox-before-learning-rate": (
        "The result of a proximal step is scaled afterwards, so no weight becomes exactly zero.",
        "Put the proximal step last in the chain.",
    ),
}
"""For each code, the sentence and the fix."""


def finding(code: str, place: Place, **details: object) -> Finding:
    """A finding at a place of the program."""
    message, fix = (text.format(**details) for text in MESSAGES[code])
    return Finding(code, message, *user_line(place), fix)


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each code once per line, in the order of the files and lines."""
    found = {(each.code, each.file, each.line): each for each in findings}
    return tuple(sorted(found.values(), key=lambda each: (each.file, each.line, each.code)))
