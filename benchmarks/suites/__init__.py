"""The suites by name: what each is, and its sizes. To add one, write a function of a plan and its line here."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..measure import Plan, Suite
from . import (
    attention,
    augment,
    depth,
    dropout,
    generator,
    losses,
    noise,
    norm,
    optim,
    penalty,
    seeds,
    startup,
    steps,
    train,
    uncertainty,
)
from .peers import PEERS as PEERS


class Entry(NamedTuple):
    """A suite, its size (None: megabytes that fit the device) and its size in a quick run."""

    make: Callable[[Plan], Iterator[Suite]]
    size: int | None
    quick_size: int

    def suites(self, is_quick: bool, megabytes: int, peers: tuple[str, ...]) -> Iterator[Suite]:
        return self.make(Plan(self.quick_size if is_quick else self.size or megabytes, is_quick, peers))


SUITES: dict[str, Entry] = {
    "generator": Entry(generator.bits, None, 1),
    "dropout": Entry(dropout.dropout, None, 1),
    "prng": Entry(dropout.prng, None, 1),
    "noise": Entry(noise.family, None, 1),
    "spatial": Entry(noise.spatial, None, 1),
    "dropblock": Entry(noise.dropblock, None, 1),
    "dropconnect": Entry(noise.dropconnect, 1024, 64),
    "attention": Entry(attention.dropout, 2048, 64),
    "stochastic-depth": Entry(depth.residual, 512, 32),
    "batch-norm": Entry(norm.batch_norm, None, 1),
    "penalties": Entry(penalty.family, None, 1),
    "optimizer": Entry(optim.update, 2048, 32),
    "losses": Entry(losses.cross_entropy, 512, 16),
    "images": Entry(augment.images, 32, 2),
    "gradient": Entry(steps.gradient, 4, 1),
    "mlp": Entry(steps.mlp, 4, 1),
    "resnet": Entry(steps.resnet, 4, 1),
    "transformer": Entry(steps.transformer, 6, 1),
    "uncertainty": Entry(uncertainty.predictions, 64, 6),
    "fit": Entry(train.fit, 100, 2),
    "sweep": Entry(train.sweep, 200, 4),
    "halving": Entry(train.halving, 27, 3),
    "shuffle": Entry(train.shuffle, 1_000_000, 2000),
    "seeds-step": Entry(seeds.step, 20, 2),
    "seeds": Entry(seeds.table, 32, 2),
    "compile": Entry(startup.compilation, 8, 2),
    "traces": Entry(startup.traces, 10, 2),
    "import": Entry(startup.imports, 5, 1),
}
