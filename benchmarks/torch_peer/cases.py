"""Functions and an optimizer of PyTorch, on shapes that the suites share with it.

A task takes `wrap`, which compiles a function or leaves it as it is, and returns a call. Calls take turns with two
copies of their arrays, as the cases of JAX do.
"""

# PyTorch is no dependency.
# pyright: reportMissingImports=false

from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch
from torch.nn import functional

from . import LEARNING_RATE, RATE

COPIES = 2
Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
Call = Callable[[], Any]


def dropout(wrap: Wrap, rows: int, dtype: str, backward: bool) -> Call:
    return mapped(wrap, lambda x: functional.dropout(x, RATE), (rows, 1024), getattr(torch, dtype), backward)


def spatial_dropout(wrap: Wrap, batch: int, channels: int, side: int) -> Call:
    return mapped(wrap, lambda x: functional.dropout2d(x, RATE), (batch, channels, side, side))


def alpha_dropout(wrap: Wrap, rows: int) -> Call:
    return mapped(wrap, lambda x: functional.alpha_dropout(x, RATE, training=True), (rows, 1024))


def attention(wrap: Wrap, batch: int, heads: int, length: int, width: int, backward: bool) -> Call:
    """Of three slices of one array, each (batch, heads, length, width)."""

    def attended(qkv: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(*qkv.unbind(), dropout_p=RATE)

    return mapped(wrap, attended, (3, batch, heads, length, width), backward=backward)


def batch_norm(wrap: Wrap, rows: int, features: int, backward: bool) -> Call:
    mean, var = torch.zeros(features), torch.ones(features)
    scale = torch.ones(features, requires_grad=backward)
    offset = torch.zeros(features, requires_grad=backward)

    def normalized(x: torch.Tensor) -> torch.Tensor:
        return functional.batch_norm(x, mean, var, scale, offset, training=True)

    return mapped(wrap, normalized, (rows, features), torch.float32, backward)


def cross_entropy(wrap: Wrap, batch: int, num_classes: int, smoothing: float) -> Call:
    ids = torch.randint(num_classes, (batch,))
    logits = cycle([torch.randn(batch, num_classes, requires_grad=True) for _ in range(COPIES)])
    loss = wrap(lambda x: functional.cross_entropy(x, ids, label_smoothing=smoothing))
    return lambda: gradient(loss, next(logits))


def adamw(wrap: Wrap, size: int, decay: float) -> Call:
    params = [torch.ones(shape, requires_grad=True) for _ in range(4) for shape in ((size, size), (size,))]
    for param in params:
        param.grad = 0.1 * torch.ones_like(param)
    optimizer = torch.optim.AdamW(params, lr=LEARNING_RATE, weight_decay=decay)
    return wrap(optimizer.step)


def mapped(
    wrap: Wrap,
    function: Callable[[torch.Tensor], torch.Tensor],
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    backward: bool = False,
) -> Call:
    """The function of one array, or the gradient of the sum of its squares."""
    arrays = cycle([torch.randn(shape, dtype=dtype, requires_grad=backward) for _ in range(COPIES)])
    if backward:
        loss = wrap(lambda x: function(x).float().square().sum())
        return lambda: gradient(loss, next(arrays))
    forward = wrap(function)

    @torch.no_grad()
    def call() -> torch.Tensor:
        return forward(next(arrays))

    return call


def gradient(loss: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor | None:
    x.grad = None
    loss(x).backward()
    return x.grad


TASKS: dict[str, Callable[..., Call]] = {
    task.__name__: task
    for task in (dropout, spatial_dropout, alpha_dropout, attention, batch_norm, cross_entropy, adamw)
}
