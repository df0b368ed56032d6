"""Mistakes of place: noise before batch norm, on logits, on integers, on maps, without a skip, or in an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ._findings import Finding, finding
from ._marks import marked
from ._noise import Noise
from ._norms import PRODUCTS
from ._paths import (
    is_forward,
    is_local,
    is_normalized,
    is_residual_sum,
    is_skipped_over,
    is_spatial,
    local_descendants,
)
from ._program import Value, ancestors, descendants, op_of
from ._source import passes_through
from ._view import View, called

SHIFTING = {"", "dropout", "spatial_dropout", "variational_dropout", "concrete_dropout", "gaussian_dropout"}
"""Noise on activations that raises their variance; a dropped branch or block is meant to stand before a norm."""
BRANCHES = {"stochastic_depth", "shakedrop"}
HIGH = 0.8 + 1e-6
LOSSES = {"smoothed_cross_entropy.input", "confidence_penalty.input", "distillation.input"}
WIDE = {"int16", "int32", "int64", "uint32", "uint64"}
"""Dtypes of ids; uint8 holds pixels."""


def noise_findings(view: View) -> Iterator[Finding]:
    """All findings about where noise is applied."""
    for noise in view.noises:
        if noise.kind == "drop" and noise.rate != 0.0 and noise.x not in view.params:
            for code, is_found in RULES.items():
                if is_found(view, noise):
                    yield finding(code, noise.node.place, what=called(noise))
        if noise.rate is not None and noise.rate > HIGH and noise.function != "patch_dropout":
            details = {"what": called(noise), "rate": noise.rate, "kept": 1.0 - noise.rate}
            yield finding("rate-high", noise.node.place, **details)
    yield from _in_evaluation(view)


def _before_batch_norm(view: View, noise: Noise) -> bool:
    is_of_features = bool(noise.mask_shape) and noise.mask_shape[-1] == noise.x.shape[-1] > 1
    if noise.function not in SHIFTING or not is_of_features or math.prod(noise.mask_shape) <= noise.x.shape[0]:
        return False
    normalized = {norm.x for norm in view.batch_norms}

    def is_diluted(value: Value) -> bool:
        return is_residual_sum(value.node) or op_of(value) == "concatenate"

    def through(value: Value) -> bool:
        is_open = is_forward(value) and value.size > 1 and not is_normalized(value) and not is_diluted(value)
        return value is noise.node.output or is_open

    reached = descendants([noise.node.output], through)
    return any(value in normalized and not is_diluted(value) for value in reached)


def _on_logits(view: View, noise: Noise) -> bool:
    """Whether the result goes into the logarithm of a softmax or a sigmoid, and then into no product with weights."""
    for value in local_descendants(noise.y):
        if marked(value.node) in LOSSES:
            return True
        if op_of(value) not in ("exp", "log1p"):
            continue
        after = list(descendants([value], is_forward))
        has_product = any(op_of(each) in PRODUCTS for each in after if is_forward(each))
        ends = [each for each in local_descendants(value) if op_of(each) == "reduce_sum"] + [value]
        is_log = any(op_of(each) in ("log", "log1p") for end in ends for each in local_descendants(end))
        if is_log and not has_product:
            return True
    return False


def _on_integers(view: View, noise: Noise) -> bool:
    """Whether ids are scaled: what is dropped comes from integers, and either of the two is used as ids."""
    source = noise.x
    while source.node and source.node.op in ("convert_element_type", "name"):
        source = source.node.inputs[0]
    if noise.rate is None or str(source.dtype) not in WIDE:
        return False
    is_back = any(str(value.dtype) in WIDE for value in local_descendants(noise.y))
    return is_back or any(_is_index(value) for value in local_descendants(source))


def _is_index(value: Value) -> bool:
    return any(user.op == "gather" and value in user.inputs[1:] for user in value.users)


def _on_maps(view: View, noise: Noise) -> bool:
    """Between two plain convolutions: with a norm or a skip connection around, as in many networks, it is usual."""
    if not noise.is_element_wise or len(noise.x.shape) < 3:
        return False
    stops = lambda value: is_local(value) and not is_normalized(value) and not is_residual_sum(value.node)  # noqa: E731
    before = list(ancestors([noise.x], stops))
    after = list(descendants([noise.y], lambda value: value is noise.y or stops(value)))
    if any(is_normalized(value) or is_residual_sum(value.node) for value in (*before, *after)):
        return False
    convolutions = [value for value in after if value.node and is_spatial(value.node) and is_forward(value)]
    is_between = any(value.node and is_spatial(value.node) for value in before) and bool(convolutions)
    return is_between and not any(map(is_skipped_over, convolutions))


def _without_skip(view: View, noise: Noise) -> bool:
    """Whether a branch is dropped that goes into a product or a sum before it is added to anything."""
    if noise.function not in BRANCHES or noise.y in view.program.outputs:
        return False
    reached = [value for value in local_descendants(noise.y) if is_forward(value)]
    return not is_skipped_over(noise.y) and any(not is_local(value) for value in reached)


def _in_evaluation(view: View) -> Iterator[Finding]:
    if not view.is_evaluation:
        return
    function = f"`{view.program.fn_name}`"
    augmented = set()
    for draw in view.keys.draws:
        if name := passes_through(draw.node.place, "augment"):
            augmented.add(draw.node)
            what = f"`{name}`"
            yield finding("augmentation-in-evaluation", draw.node.place, what=what, function=function)
    for noise in view.noises:
        is_sampled = any(draw.node.inputs[0].shape for draw in noise.draws)  # As for Monte Carlo dropout.
        is_noise = noise.kind == "drop" or (noise.function and noise.kind != "other")
        if is_noise and not is_sampled and not augmented & {draw.node for draw in noise.draws}:
            yield finding("noise-in-evaluation", noise.node.place, what=called(noise), function=function)


RULES = {
    "dropout-before-batch-norm": _before_batch_norm,
    "dropout-on-logits": _on_logits,
    "dropout-on-integers": _on_integers,
    "dropout-on-maps": _on_maps,
    "depth-without-skip": _without_skip,
}
