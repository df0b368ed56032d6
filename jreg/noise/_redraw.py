"""How noise is applied: drawn in the forward pass, and drawn again in the backward pass instead of stored.

The draw runs inside `jax.checkpoint(prevent_cse=False)`, so the backward pass keeps a few scalars made of the key and
the rate, not the noise. It runs inside a function jitted with `inline=True`, so an eager call costs one dispatch and an
outer `jit` sees plain operations. A `custom_vjp` would store as little but would rule out forward-mode and second
derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Inexact

from .._core import marks
from .._core.checks import Checks
from .._core.types import Key


@partial(jax.jit, static_argnames=("check", "draw", "options"), inline=True)
def redrawn(
    key: Key,
    x: Inexact[Array, "..."],
    *numbers: Array,
    check: Checks,
    draw: Callable[..., Any],
    options: tuple[tuple[str, Any], ...] = (),
) -> Any:
    """Call `draw(key, x, *numbers, **options)`, with x and the result under the marks of `check`.

    `draw` must be a module-level function, not a closure: each new function object would be traced again.
    """
    apply = jax.checkpoint(partial(draw, **dict(options)), prevent_cse=False, policy=marks.keep_scalars)
    return check.returns(apply(key, check.reads(x), *numbers))
