"""Mistakes with keys: one used twice, shared by examples or steps, no argument of the function, or not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from itertools import combinations

from ._constants import is_key_like
from ._findings import Finding, finding
from ._keys import Draw, roots, varies
from ._noise import Noise
from ._norms import PRODUCTS
from ._program import Branch, Place, Value, ancestors, op_of, peeled
from ._source import is_of_library, passes_through, user_line
from ._view import View, called

MASKS = {"drop", "replace", "choose"}
MEETS_DATA = MASKS | {"add", "scale"}
CONTRACT = "[2]"
"""Where a loss of `train.make_step` takes its key, needed or not."""


def key_findings(view: View) -> Iterator[Finding]:
    """All findings about keys."""
    yield from _reused(view)
    yield from _split_and_drawn(view)
    yield from _split_and_folded(view)
    yield from _shared_by_vmap(view)
    yield from _shared_by_loop(view)
    yield from _constant(view)
    yield from _unused(view)


def _reused(view: View) -> Iterator[Finding]:
    by_key: dict[Hashable, list[Draw]] = {}
    for draw in view.keys.draws:
        if _is_given(draw):
            by_key.setdefault(draw.key, []).append(draw)
    for draws in by_key.values():
        pairs = combinations(draws, 2)
        if again := next((second for first, second in pairs if _is_reuse(view, first, second)), None):
            yield finding("key-reused", again.node.place, what=_drawer(view, again))


def _drawer(view: View, draw: Draw) -> str:
    noises = view.noise_of.get(draw.node, [])
    return called(noises[0]) if noises and noises[0].kind in MEETS_DATA else "A call"


def _is_reuse(view: View, first: Draw, second: Draw) -> bool:
    """Whether two draws from one key are a mistake.

    A loss that is evaluated twice, as in a line search or SAM, repeats its draws on purpose: they stand on the same
    lines. One line that draws in turn for several layers is a mistake; one that draws for several time steps through
    the same kernels is variational dropout.
    """
    if _exclude_each_other(first.node.place, second.node.place):
        return False
    if user_line(first.node.place) != user_line(second.node.place):
        return True
    noises = [view.noise_of.get(draw.node, []) for draw in (first, second)]
    return any(_follows(before, after) for before in noises[0] for after in noises[1])


def _exclude_each_other(first: Place, second: Place) -> bool:
    taken = {frame.cond: frame.index for frame in first.frames if isinstance(frame, Branch)}
    others = [frame for frame in second.frames if isinstance(frame, Branch)]
    return any(taken.get(frame.cond, frame.index) != frame.index for frame in others)


def _follows(before: Noise, after: Noise) -> bool:
    """Whether noise is applied to what other noise was applied to, with other kernels in between than before it."""
    is_forward = lambda value: not (value.node and value.node.place.is_backward)  # noqa: E731
    if before.y not in set(ancestors([after.x], is_forward)):
        return False
    kernels = [_kernel_before(noise.x) for noise in (before, after)]
    return kernels[0] is None or kernels[0] is not kernels[1]


def _kernel_before(x: Value) -> Value | None:
    """The weights of the nearest product that data come from."""
    for value in ancestors([x], lambda value: op_of(value) not in PRODUCTS):
        if op_of(value) in PRODUCTS and value.node:
            sources = [peeled(each, frozenset({"convert_element_type", "transpose"})) for each in value.node.inputs]
            return next((each for each in sources if each.is_input), sources[1])
    return None


def _split_and_drawn(view: View) -> Iterator[Finding]:
    split = {each.key for each in view.keys.made_by("random_split")}
    for draw in view.keys.draws:
        if draw.key in split:
            yield finding("key-split-and-drawn", draw.node.place)


def _split_and_folded(view: View) -> Iterator[Finding]:
    """A number that is folded in and known to be past all children is no collision, such as a hash of a name."""
    sizes: dict[Hashable, int] = {}
    for each in view.keys.made_by("random_split"):
        sizes[each.key] = max(sizes.get(each.key, 0), each.node.output.shape[len(each.node.inputs[0].shape)])
    for fold in view.keys.made_by("random_fold_in"):
        number = fold.node.inputs[1].number
        if fold.key in sizes and (number is None or number < sizes[fold.key]):
            yield finding("key-split-and-folded", fold.node.place)


def _shared_by_vmap(view: View) -> Iterator[Finding]:
    for noise in view.noises:
        if noise.kind in MEETS_DATA and _is_shared(noise) and _is_over_examples(view, noise):
            yield finding("key-shared-by-vmap", noise.node.place, what=called(noise))


def _is_shared(noise: Noise) -> bool:
    """Whether a draw inside a vmap has one axis less than the data: the axis that the vmap added to them."""
    has_lost_axis = len(noise.mask_shape) < len(noise.x.shape) and noise.node.place.num_vmaps > 0
    keys = [draw.node.inputs[0] for draw in noise.draws]
    is_mapped = all(draw.node.place.num_vmaps > 0 for draw in noise.draws)
    return has_lost_axis and is_mapped and all(is_key_like(key) and not key.shape for key in keys)


def _is_over_examples(view: View, noise: Noise) -> bool:
    """Whether the axis that the vmap added is one of data, not of models or settings, which may share their noise.

    Models are stacked if all weights have that axis, and settings are numbers, so an argument with it has one axis.
    """
    added = Counter(noise.x.shape) - Counter(noise.mask_shape)
    if len(lengths := {value.shape[0] for value in view.params}) == 1 and lengths <= set(added):
        return False
    sources = [value for value in ancestors([noise.x]) if value.is_input or value.known is not None]
    return any(len(value.shape) > 1 and value.shape[0] in added for value in sources)


def _shared_by_loop(view: View) -> Iterator[Finding]:
    """One mask for all time steps is variational dropout, and right; for layers and training steps it is not.

    Noise other than masks may be meant to stay, as the probes of a trace estimate do while an equation is solved.
    """
    for noise in view.noises:
        for loop in noise.node.place.loops:
            is_regularizer = noise.kind in MASKS or bool(noise.function)
            if not is_regularizer or varies(noise.noise, loop) or is_of_library(loop.place):
                continue
            steps = view.steps(loop)
            if steps != "time step" or _is_zoneout(noise):
                yield finding("key-shared-by-loop", noise.node.place, what=called(noise), step=steps)


def _is_zoneout(noise: Noise) -> bool:
    return noise.function == "zoneout"


def _constant(view: View) -> Iterator[Finding]:
    """Random features that are drawn once and for all are no noise: only masks, and terms as large as the data, are."""
    for noise in view.noises:
        is_noise = noise.kind == "drop" or (noise.kind in ("add", "scale") and _is_as_large(noise))
        is_augmentation = noise.kind in MASKS and passes_through(noise.node.place, "augment")
        if (is_noise or is_augmentation) and not any(map(_is_given, noise.draws)):
            what, function = called(noise), view.program.fn_name
            yield finding("key-constant", noise.node.place, what=what, function=f"`{function}`")


def _is_given(draw: Draw) -> bool:
    """Whether a key comes from the arguments; one that does not is a finding of its own."""
    return any(root.is_input for root in roots(draw.node.inputs[0]))


def _is_as_large(noise: Noise) -> bool:
    return noise.mask_shape == noise.x.shape and noise.x.size > 1


def _unused(view: View) -> Iterator[Finding]:
    """Only of a loss: a function whose first result is one float."""
    program = view.program
    is_loss = bool(program.outputs) and not program.outputs[0].shape and _is_float(program.outputs[0])
    if not is_loss or view.keys.draws:
        return
    for value, name in zip(program.inputs, program.names, strict=True):
        if value in view.keys.given and (value.users or name != CONTRACT):
            yield finding("key-unused", _first_place(view), what=f"`{name}`")
            return


def _is_float(value: Value) -> bool:
    return getattr(value.dtype, "kind", "") == "f" or "float" in str(value.dtype)


def _first_place(view: View) -> Place:
    """Where the loss is computed."""
    output = view.program.outputs[0]
    return output.node.place if output.node else Place()
