"""The experiment of `examples.seed_table` as a loop in PyTorch, one network after another.

    python -m benchmarks.suites.torch_seeds --ours examples/seed_table.json

trains the 192 networks and says whether their accuracies are those of one program. A `DataLoader` is how the experiment
is published; whole tensors, cut by index, are the faster loop.
"""

# PyTorch is no dependency.
# pyright: reportMissingImports=false

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from examples import seed_table
from examples.seed_table import BATCH_SIZE, LEARNING_RATE, NUM_TRAINING, RECIPES, WIDTHS, Recipe
from jreg import train


def build(recipe: Recipe) -> Any:
    from torch import nn

    layers = []
    for inputs, outputs in pairwise(WIDTHS[:-1]):
        layers.append(nn.Linear(inputs, outputs))
        if recipe.layer == "batch norm":
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(nn.ReLU())
        if recipe.layer == "dropout":
            layers.append(nn.Dropout(recipe.rate))
    return nn.Sequential(*layers, nn.Linear(*WIDTHS[-2:]))


def run(recipe: Recipe, seed: int, epochs: int, *, uses_loader: bool, device: str = "cpu") -> tuple[float, float]:
    """Train one network; return its accuracies on training and validation rows."""
    import torch

    torch.manual_seed(seed)
    x, y = (torch.tensor(array, device=device) for array in seed_table.load())
    x, y, valid_x, valid_y = x[:NUM_TRAINING], y[:NUM_TRAINING].long(), x[NUM_TRAINING:], y[NUM_TRAINING:].long()
    model = build(recipe).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=recipe.decay)
    cross_entropy = torch.nn.CrossEntropyLoss()
    batches = loaded(x, y) if uses_loader else Sliced(x, y)
    for _ in range(epochs):
        model.train()
        for rows, labels in batches:
            optimizer.zero_grad()
            cross_entropy(model(rows), labels).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracies = [float((model(a).argmax(1) == b).float().mean()) for a, b in ((x, y), (valid_x, valid_y))]
    return accuracies[0], accuracies[1]


def loaded(x: Any, y: Any) -> Any:
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(x, y), batch_size=BATCH_SIZE, shuffle=True)


class Sliced:
    """Shuffled batches of whole tensors."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        import torch

        for rows in torch.randperm(len(self.x)).split(BATCH_SIZE):
            yield self.x[rows], self.y[rows]


def loops(recipes: tuple[Recipe, ...], epochs: int, device: str) -> dict[str, Callable[[], None]]:
    """Calls that train one network of each recipe, by loop and number of threads; none without PyTorch."""
    try:
        import torch
    except ImportError:
        return {}

    def train_each(threads: int, uses_loader: bool) -> None:
        torch.set_num_threads(threads)
        for recipe in recipes:
            run(recipe, 0, epochs, uses_loader=uses_loader, device=device)

    return {
        f"torch, {loop}, {threads} {'thread' if threads == 1 else 'threads'}": partial(train_each, threads, uses_loader)
        for loop, uses_loader in (("DataLoader", True), ("whole tensors", False))
        for threads in ((1, 2) if device == "cpu" else (1,))
    }


def main(arguments: list[str] | None = None) -> int:
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.suites.torch_seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=seed_table.NUM_SEEDS)
    parser.add_argument("--epochs", type=int, default=seed_table.EPOCHS)
    parser.add_argument("--ours", type=Path, help="what examples.seed_table stored, to compare with")
    parser.add_argument("--out", type=Path, help="where to store the scores")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    scores = np.array(
        [[run(recipe, seed, options.epochs, uses_loader=False) for seed in range(options.seeds)] for recipe in RECIPES]
    )
    found = {"train": scores[..., 0], "valid": scores[..., 1], "gap": scores[..., 0] - scores[..., 1]}
    table = train.tabulate({"recipe": np.array([recipe.name for recipe in RECIPES])}, found, by="valid")
    print(table)
    if options.ours:
        ours = json.loads(options.ours.read_text())
        difference = np.array(ours["means"]["valid"]) - table.means["valid"]
        interval = np.hypot(ours["intervals"]["valid"], table.intervals["valid"])
        for recipe, mean, half in zip(RECIPES, difference, interval, strict=True):
            print(f"{recipe.name:>32}: ours - PyTorch {mean:+.4f} ± {half:.4f}")
    if options.out:
        options.out.write_text(json.dumps({name: values.tolist() for name, values in found.items()}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
