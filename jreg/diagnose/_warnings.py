"""What is wrong with an audited optimizer, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

DECAYS = ("proportional", "constant", "mixed", "preconditioned", "double")
ALL = 1.0 - 1e-6
"""The share of a weight that is all of it, to what float32 may lose."""
MOST_PATHS = 4
"""How many paths one warning names."""


def warnings_of(listed: Sequence[tuple[Any, bool]], num_steps: int) -> Iterator[str]:
    leaves = [leaf for leaf, _ in listed]
    if all(leaf.kind == "none" for leaf in leaves):
        yield f"nothing is decayed in the first {num_steps} steps"
    if cancelled := [leaf for leaf in leaves if leaf.kind == "preconditioned"]:
        yield (
            f"the decay of {_paths(cancelled)} does not depend on the strength: it is normalized with the gradient, as "
            "L2 in the gradient of Adam is"
        )
    if twice := [leaf for leaf in leaves if leaf.kind == "double"]:
        verb = "is" if len(twice) == 1 else "are"
        yield (
            f"{_paths(twice)} {verb} decayed twice: in the gradient, where the strength is normalized away, and beside "
            "it, which alone counts"
        )
    if others := [leaf for leaf, is_kernel in listed if leaf.kind in DECAYS and not is_kernel]:
        verb, reason = ("is", "it is not a kernel") if len(others) == 1 else ("are", "they are not kernels")
        yield f"{_paths(others)} {verb} decayed although {reason}"
    for amount, dtype in dict.fromkeys(map(_lost_amount, leaves)):
        if amount:
            same = [leaf for leaf in leaves if _lost_amount(leaf) == (amount, dtype)]
            yield f"the shrink of {_paths(same)}, {amount} per step of weights near 1, is lost in {dtype}"
    if growing := [leaf for leaf in leaves if leaf.kind in DECAYS and leaf.shrink < 0.0]:
        yield f"the decay of {_paths(growing)} is negative: the weights grow"
    if whole := [leaf for leaf in leaves if leaf.kind in ("proportional", "mixed") and leaf.shrink > ALL]:
        shrink = max(leaf.shrink for leaf in whole)
        yield (
            f"the decay of {_paths(whole)} takes {shrink:.3g} of each weight in a step: from 1 on weights change their "
            "sign, and beyond 2 they grow without end"
        )
    if unknown := [leaf for leaf in leaves if leaf.kind == "unknown"]:
        dtypes = " or ".join(sorted({leaf.dtype for leaf in unknown}))
        yield f"the update of {_paths(unknown)} is not finite in {dtypes} where the gradient is zero"


def _lost_amount(leaf: Any) -> tuple[str, str]:
    return (f"{leaf.shrink:.3g}" if leaf.is_lost else "", leaf.dtype)


def _paths(leaves: Sequence[Any]) -> str:
    names = [leaf.path for leaf in leaves]
    return ", ".join(names[:MOST_PATHS]) + (f" and {len(names) - MOST_PATHS} more" if len(names) > MOST_PATHS else "")
