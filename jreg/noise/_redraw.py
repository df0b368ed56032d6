"""How noise is applied: drawn in the forward pass, and drawn again, not kept, in the backward pass.

The draw happens inside `jax.checkpoint(prevent_cse=False)`, so that what the backward pass keeps is a few scalars made
of the key and the rate, and not the noise. It happens inside a core that is jitted with `inline=True`, so that an eager
call costs one dispatch and an outer `jit` sees plain operations. A `custom_vjp` would save as little but would end
forward-mode and second derivatives.
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
    """`draw(key, x, *numbers, **options)` under the marks of `function`.

    `draw` is a function of a module, not a closure: each new object would be traced anew.
    """
    apply = jax.checkpoint(partial(draw, **dict(options)), prevent_cse=False, policy=marks.keep_scalars)
    return check.returns(apply(key, check.reads(x), *numbers))
