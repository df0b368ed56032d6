"""What dropout keeps for the backward pass: `python -m benchmarks.memory` writes `benchmarks/results/memory.md`.

Layers `x + dropout(tanh(x @ kernel))` under `lax.scan`: what `jax.vjp` of the scan holds on to, and the temporary
memory of the compiled gradient, beside those of the same layers without dropout.
"""

import contextlib
import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import print_saved_residuals

from jreg import random

from .suites import peers
from .suites.dropout import ours, scanned, unchanged
from .suites.peers import Noise

NUM_LAYERS, BATCH, WIDTH = 8, 4096, 512
REPORT = Path(__file__).parent / "results" / "memory.md"


class Cost(NamedTuple):
    """Bytes: held by `vjp` of one dropout and of the scan; temporary of its gradient, and that of twice the layers."""

    name: str
    saved: int
    saved_by_scan: int
    temporary: int
    temporary_twice: int


def main() -> None:
    default, fused, philox = (jax.random.key(0, impl=impl) for impl in (None, random.hash_prng, "philox2x32"))
    base = measure("none", unchanged, default)
    costs = [
        measure("jreg.noise.dropout", ours, default),
        measure("flax.linen.Dropout", peers.linen(nn), default),
        measure("flax.linen.Dropout, philox2x32 key", peers.linen(nn), philox),
        measure("flax.linen.Dropout, hash_prng key", peers.linen(nn), fused),
        measure("equinox.nn.Dropout", peers.equinox(eqx), default),
        measure("equinox.nn.Dropout, philox2x32 key", peers.equinox(eqx), philox),
        measure("equinox.nn.Dropout, hash_prng key", peers.equinox(eqx), fused),
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(page(base, costs))
    print(REPORT.read_text())


def measure(name: str, dropout: Noise, key: jax.Array) -> Cost:
    x, loss = jnp.ones((BATCH, WIDTH)), partial(scanned, dropout)
    return Cost(
        name,
        held(jax.vjp(partial(dropout, key), x)[1]),
        held(jax.vjp(partial(loss, key), kernels(NUM_LAYERS), x)[1]),
        temporary(loss, key, kernels(NUM_LAYERS), x),
        temporary(loss, key, kernels(2 * NUM_LAYERS), x),
    )


def kernels(num_layers: int) -> jax.Array:
    return jnp.ones((num_layers, WIDTH, WIDTH)) / WIDTH


def temporary(loss: Callable, *args: jax.Array) -> int:
    compiled: Any = jax.jit(jax.grad(loss, argnums=(1, 2))).lower(*args).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def held(vjp: Callable) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(vjp))


def residuals(dropout: Noise) -> str:
    """What jax itself lists as saved by one dropout between two functions, without the places in the sources."""
    listing = io.StringIO()
    with contextlib.redirect_stdout(listing):
        key = jax.random.key(0)
        print_saved_residuals(lambda x: jnp.sum(jnp.sin(dropout(key, jnp.cos(x)))), jnp.ones((BATCH, WIDTH)))
    return re.sub(r" from /\S*", "", listing.getvalue()).strip()


def page(base: Cost, costs: list[Cost]) -> str:
    lines = "\n".join(f"| {' | '.join(row(cost, base))} |" for cost in [base, *costs])
    return f"""# Memory: what dropout keeps for the backward pass

Written by `python -m benchmarks.memory`: {NUM_LAYERS} layers `x + dropout(tanh(x @ kernel))` under `lax.scan`, x
float32[{BATCH}, {WIDTH}], jax {jax.__version__} on {jax.devices()[0].device_kind}. *Saved* is what `jax.vjp` holds on
to, of one dropout and of the scan; *temporary* is `memory_analysis` of the compiled gradient, and its growth is from
{NUM_LAYERS} to {2 * NUM_LAYERS} layers. All but the temporary MiB are beyond the layers without dropout.

| dropout | saved, bytes | saved by the scan, bytes per layer | temporary, MiB | growth, bytes per layer |
| --- | --- | --- | --- | --- |
{lines}

`jax.ad_checkpoint.print_saved_residuals` of `sum(sin(dropout(key, cos(x))))` with jreg:

```
{residuals(ours)}
```

and with flax:

```
{residuals(peers.linen(nn))}
```
"""


def row(cost: Cost, base: Cost) -> tuple[str, ...]:
    scanned = (cost.saved_by_scan - base.saved_by_scan) / NUM_LAYERS
    growth = growth_per_layer(cost) - growth_per_layer(base)
    return cost.name, shown(cost.saved), shown(scanned), f"{cost.temporary / 2**20:.0f}", shown(growth)


def shown(num_bytes: float) -> str:
    return f"{num_bytes:,.0f} ({num_bytes / (BATCH * WIDTH):.2f} per element)"


def growth_per_layer(cost: Cost) -> float:
    return (cost.temporary_twice - cost.temporary) / NUM_LAYERS


if __name__ == "__main__":
    main()
