"""Mistakes with batch norm: over few values, in a recurrence, with running statistics that are lost."""

from __future__ import annotations

from collections.abc import Iterator

from ._findings import Finding, finding
from ._norms import STEPS, BatchNorm, updates
from ._program import Value, ancestors, op_of
from ._source import user_line
from ._view import View

FEWEST = 8


def norm_findings(view: View) -> Iterator[Finding]:
    """All findings about batch norm."""
    for norm in view.batch_norms:
        if norm.num_values is not None and norm.num_values < FEWEST:
            yield finding("batch-norm-of-few", norm.node.place, what=norm.num_values)
        if any(value in set(updates(norm)) for value in ancestors(norm.node.inputs, _is_statistic, limit=40)):
            yield finding("batch-norm-by-running-stats", norm.node.place)
        if _is_in_recurrence(view, norm):
            yield finding("batch-norm-in-recurrence", norm.node.place)
    yield from _lost(view)


def _is_in_recurrence(view: View, norm: BatchNorm) -> bool:
    """Whether data that a loop over time carries are normalized in it."""
    for loop in norm.node.place.loops:
        is_carried = any(
            op_of(value) == "carry" and value.node is not None and value.node.place.frames[-1:] == (loop,)
            for value in ancestors([norm.x])
        )
        if is_carried and view.steps(loop) == "time step":
            return True
    return False


def _lost(view: View) -> Iterator[Finding]:
    """Where new statistics are made of old ones, and no evaluation of that line returns them.

    SAM and line searches evaluate a loss more often than they take its statistics.
    """
    by_line: dict[tuple[str, int], list[BatchNorm]] = {}
    for norm in view.batch_norms:
        by_line.setdefault(user_line(norm.node.place), []).append(norm)
    for norms in by_line.values():
        moved = [value for norm in norms for value in updates(norm)]
        if moved and not any(value.node in view.program.live for value in moved):
            yield finding("batch-norm-stats-lost", norms[0].node.place)


def _is_statistic(value: Value) -> bool:
    return op_of(value) in STEPS
