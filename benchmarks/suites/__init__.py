"""The suites by name: what each is, and its sizes. To add one, write a function of (size, rounds) and its line here."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..measure import Suite
from . import augment, generator, losses, modules, noise, norm, optim, penalty, seeds, startup, train
from .peers import PEERS as PEERS


class Entry(NamedTuple):
    """A suite, its size (None: megabytes that fit the device) and its size in a quick run."""

    make: Callable[[int, int], Iterator[Suite]]
    size: int | None
    quick_size: int

    def suites(self, quick: bool, megabytes: int, rounds: int) -> Iterator[Suite]:
        return self.make(self.quick_size if quick else self.size or megabytes, rounds)


SUITES: dict[str, Entry] = {
    "generator": Entry(generator.bits, None, 1),
    "dropout": Entry(noise.dropout, None, 1),
    "prng": Entry(noise.prng, None, 1),
    "noise": Entry(noise.family, None, 1),
    "dropblock": Entry(noise.dropblock, 64, 1),
    "dropconnect": Entry(noise.dropconnect, 1024, 64),
    "residual": Entry(noise.residual, 512, 32),
    "transformer": Entry(noise.transformer, 4, 1),
    "nnx-transformer": Entry(modules.transformer, 6, 1),
    "nnx-resnet": Entry(modules.resnet, 4, 1),
    "batch-norm": Entry(norm.batch_norm, None, 1),
    "penalties": Entry(penalty.family, None, 1),
    "optimizer": Entry(optim.update, 2048, 32),
    "losses": Entry(losses.cross_entropy, 512, 16),
    "images": Entry(augment.images, 32, 2),
    "fit": Entry(train.fit, 100, 2),
    "sweep": Entry(train.sweep, 200, 4),
    "seeds": Entry(seeds.table, 32, 2),
    "compile": Entry(startup.compilation, 8, 2),
    "traces": Entry(startup.traces, 10, 2),
    "import": Entry(startup.imports, 5, 1),
}
