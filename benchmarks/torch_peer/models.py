"""The models of `suites.steps` in PyTorch: one step of gradient descent on the mean square of the output."""

# PyTorch is no dependency.
# pyright: reportMissingImports=false

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from . import LEARNING_RATE, RATE
from .cases import Call, Wrap


class Layer(nn.Module):
    """Causal attention and a dense block, each behind a layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(RATE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norms[0](x)).reshape(batch, length, 3, 4, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=RATE, is_causal=True)
        x = x + self.drop(self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return x + self.drop(self.down(self.drop(functional.gelu(self.up(self.norms[1](x))))))


class Block(nn.Module):
    """A residual block before its activations, as in wide residual networks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels) for _ in range(2)])
        self.convolutions = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)])
        self.drop = nn.Dropout(RATE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolutions[0](functional.relu(self.norms[0](x)))
        return x + self.convolutions[1](self.drop(functional.relu(self.norms[1](y))))


def mlp(wrap: Wrap, num_layers: int, width: int, batch: int) -> Call:
    dense = [(nn.Linear(width, width), nn.ReLU(), nn.Dropout(RATE)) for _ in range(num_layers)]
    return step(wrap, nn.Sequential(*(layer for layers in dense for layer in layers)), (batch, width))


def resnet(wrap: Wrap, num_blocks: int, channels: int, side: int, batch: int) -> Call:
    return step(wrap, nn.Sequential(*(Block(channels) for _ in range(num_blocks))), (batch, channels, side, side))


def transformer(wrap: Wrap, num_layers: int, width: int, length: int, batch: int) -> Call:
    return step(wrap, nn.Sequential(*(Layer(width) for _ in range(num_layers))), (batch, length, width))


def step(wrap: Wrap, model: Any, shape: tuple[int, ...]) -> Call:
    x, optimizer = torch.randn(shape), torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    loss = wrap(lambda x: model(x).square().mean())

    def call() -> None:
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return call


TASKS: dict[str, Callable[..., Call]] = {task.__name__: task for task in (mlp, resnet, transformer)}
