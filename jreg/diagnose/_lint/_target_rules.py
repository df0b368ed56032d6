"""Mistakes with targets: smoothed twice, smoothed beside distillation, left as they are when inputs are mixed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ._findings import Finding, finding
from ._marks import marked
from ._paths import is_local, local_descendants
from ._program import Node, Value, ancestors, descendants, op_of, peeled
from ._view import View

FORMS = frozenset({"convert_element_type", "name", "transpose", "reshape", "copy", "broadcast_in_dim"})
CROSS_ENTROPY = "smoothed_cross_entropy"
REORDERINGS = {"gather", "rev", "concatenate"}


def target_findings(view: View) -> Iterator[Finding]:
    """All findings about targets."""
    smooth = [node for node in _forward(view) if is_smoothing(node)]
    losses = _marks(view, CROSS_ENTROPY)
    yield from _twice(smooth, losses)
    yield from _beside_distillation(view, smooth, losses)
    yield from _mixed(view)


def is_smoothing(node: Node) -> bool:
    """Whether a node is a * p + b with a + b K = 1 over K classes, as label smoothing is, and nothing else."""
    if node.op != "add" or not node.output.shape:
        return False
    scaled, offset = sorted(node.inputs, key=lambda value: value.number is not None)
    if offset.number is None or op_of(scaled) != "mul" or scaled.node is None:
        return False
    shares = [value.number for value in scaled.node.inputs if value.number is not None]
    classes = node.output.shape[-1]
    return len(shares) == 1 and 0 < shares[0] < 1 < classes and abs(shares[0] + offset.number * classes - 1.0) < 1e-5


def _forward(view: View) -> list[Node]:
    """The nodes of the forward pass; a gradient throws the value of its loss away, which is then not live."""
    return [node for node in view.program.nodes if not node.place.is_backward]


def _marks(view: View, name: str) -> list[Node]:
    return [node for node in _forward(view) if marked(node) == name]


def _twice(smooth: list[Node], losses: list[Node]) -> Iterator[Finding]:
    for node in smooth:
        labels = [value.node for value in local_descendants(node.output) if value.node in smooth]
        if any(other is not node for other in labels):
            yield finding("smoothing-twice", node.place)
        outside = lambda value: marked(value.node) != f"{CROSS_ENTROPY}.input"  # noqa: E731
        reached = {value.node for value in descendants([node.output], outside)}
        if any(loss in reached and _is_smoothed(loss) for loss in losses):
            yield finding("smoothing-twice", node.place)


def _is_smoothed(loss: Node) -> bool:
    """Whether the smoothing of jreg's cross-entropy is other than a written 0."""
    own = lambda value: not marked(value.node)  # noqa: E731
    classes = [value.shape[-1] for value in ancestors(loss.inputs, own) if _is_read(value)]
    shares = [
        value.node.inputs[0].number
        for value in ancestors(loss.inputs, own)
        if value.node and value.node.op == "div" and value.size == 1 and value.node.inputs[1].number in classes
        if op_of(value.node.inputs[0]) != "reduce_sum"  # A mean over the classes is no share of the smoothing.
    ]
    return any(share != 0.0 for share in shares)


def _is_read(value: Value) -> bool:
    return marked(value.node) == f"{CROSS_ENTROPY}.input"


def _beside_distillation(view: View, smooth: list[Node], losses: list[Node]) -> Iterator[Finding]:
    students = {peeled(node.output, FORMS) for node in _marks(view, "distillation.input")}
    if not students:
        return
    for loss in losses:
        read = [value for value in ancestors(loss.inputs) if _is_read(value)]
        if any(peeled(value, FORMS) in students for value in read) and _is_smoothed(loss):
            yield finding("smoothing-and-distillation", loss.place)
    for node in smooth:
        yield finding("smoothing-and-distillation", node.place)


def _mixed(view: View) -> Iterator[Finding]:
    """Inputs of a loss that are mixed with a reordering of themselves, beside class ids that nothing reorders."""
    program = view.program
    is_scalar = bool(program.outputs) and not program.outputs[0].shape
    ids = [value for value in program.inputs if str(value.dtype) in ("int32", "int64") and len(value.shape) == 1]
    if not ids or not (is_scalar or any(node.place.is_backward for node in program.nodes)):
        return
    for node in program.forward:
        x = _mixed_with_itself(node, view.drawn)
        labels = [value for value in ids if x is not None and value.shape == x.shape[:1] and _is_live(view, value)]
        if labels and not any(_is_reordered(view, each) for each in labels):
            yield finding("mixing-without-labels", node.place)


def _mixed_with_itself(node: Node, drawn: Collection[Value]) -> Value | None:
    """The data x of w * x + (1 - w) * x[order], with a weight that is drawn."""
    if node.op != "add":
        return None
    parts = [value.node for value in node.inputs if op_of(value) == "mul" and value.node]
    is_weighted = all(any(value in drawn for value in part.inputs) for part in parts)
    if len(parts) < 2 or not is_weighted:
        return None
    first, second = (next((value for value in part.inputs if value not in drawn), None) for part in parts)
    for x, partner in ((first, second), (second, first)):
        partner = partner and _unfilled(partner)
        if x is None or partner is None or op_of(partner) not in REORDERINGS or partner.node is None:
            continue
        source = peeled(x, FORMS)
        if source in set(ancestors(partner.node.inputs[:1], is_local, limit=20)):
            return x
    return None


def _unfilled(value: Value) -> Value:
    """What was taken, without the number that stands where an index is out of bounds."""
    while value.node and value.node.op in FORMS | {"select_n"} - {"broadcast_in_dim"}:
        cases = [each for each in value.node.inputs if each.number is None and each.shape == value.shape]
        value = cases[-1] if cases else value.node.inputs[0]
    return value


def _is_live(view: View, value: Value) -> bool:
    return any(user in view.program.live for user in value.users)


def _is_reordered(view: View, ids: Value) -> bool:
    """Whether ids, or distributions made of them, are put into another order for some result."""
    return any(
        user.op in REORDERINGS and value is user.inputs[0] and user in view.program.live
        for value in local_descendants(ids)
        if value is ids or is_local(value)
        for user in value.users
    )
