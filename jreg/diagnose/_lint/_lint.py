"""Find mistakes of regularization in a function, by tracing it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from ..._core import checks
from ..._core.checks import Checks
from ._findings import Finding, distinct
from ._key_rules import key_findings
from ._noise_rules import noise_findings
from ._norm_rules import norm_findings
from ._program import Program
from ._target_rules import target_findings
from ._view import View
from ._walk import program_of

F = TypeVar("F", bound=Callable[..., Any])


def lint(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Finding, ...]:
    """Find mistakes of regularization in a function, by tracing it: `lint(loss, params, key, x, y)`.

    Nothing is computed or compiled. `fn` is traced, and the data are followed through `jit`, `scan`, `cond`,
    `while`, remat, `vmap`, `shard_map` and gradients, by the marks of jreg's functions and by the patterns of dropout
    and batch norm, whoever wrote them: flax, equinox, haiku, you. The codes of the findings:

        key-reused                   two draws from one key
        key-split-and-drawn          a key both split and drawn from
        key-split-and-folded         a key both split and folded: the children collide
        key-shared-by-vmap           one draw for all examples of a vmap
        key-shared-by-loop           one draw for all layers or all training steps of a loop
        key-constant                 noise from a key that is no argument
        key-unused                   a loss that is given a key and draws nothing
        noise-in-evaluation          noise in a function named evaluate, eval_step, validate, ...
        augmentation-in-evaluation   a random augmentation in such a function
        dropout-before-batch-norm    the variance of training is not that of inference
        dropout-on-logits            a dropped class gets the logit 0
        dropout-on-integers          ids are scaled as numbers
        dropout-on-maps              single elements are dropped between two plain convolutions
        depth-without-skip           a branch is dropped that nothing is added to
        smoothing-twice              smooth labels are smoothed again
        smoothing-and-distillation   smoothing takes the detail of a teacher away
        mixing-without-labels        inputs are mixed, class ids are not
        batch-norm-of-few            statistics over fewer than 8 values
        batch-norm-in-recurrence     the state of a recurrence is normalized
        batch-norm-by-running-stats  training data are normalized by running statistics
        batch-norm-stats-lost        new running statistics are thrown away
        rate-high                    more than 0.8 is dropped

    A loss evaluated twice with one key, as in SAM and line searches, one mask for all time steps, and dropped branches
    in front of batch norm are right, and give no finding. `python -m tests.diagnose.corpus` shows, for a corpus of
    right and wrong programs, what is found.

    Args:
      fn: a function that JAX can trace: a loss, its gradient, a whole training step, an evaluation.
      args, kwargs: its arguments. Arrays may be `jax.ShapeDtypeStruct`s; of their values only scalars of floats are
        read, such as rates. If the first argument is a tree of several arrays, it is taken for the weights. Give
        batches of their real size, which `batch-norm-of-few` judges.

    Returns:
      the findings in the order of files and lines, at most one of each code per line; empty if there are none. Printed,
      each is a line of a compiler's form.

    Raises:
      TypeError: `fn` is not a function.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import diagnose, noise
    >>> def loss(kernel, key, x):
    ...     hidden = noise.dropout(key, x @ kernel, 0.5)
    ...     return jnp.mean(noise.dropout(key, hidden @ kernel, 0.5) ** 2)
    >>> found = diagnose.lint(loss, jnp.ones((4, 4)), jax.random.key(0), jnp.ones((16, 4)))
    >>> [finding.code for finding in found]
    ['key-reused']
    """
    check = Checks("lint")
    check.called("fn", fn, "fn(*args, **kwargs) that JAX can trace")
    view = View(_traced(fn, args, kwargs))
    return distinct([found for rules in RULES for found in rules(view)])


def linted(fn: F) -> F:
    """Wrap a function so that it warns once of what `lint` finds in it, when it is first called or traced.

    Put it inside `jit`, as in `jax.jit(diagnose.linted(train.make_step(loss_fn, optimizer)))`: the lint then costs one
    more trace, and compiled calls pay nothing.

    Args:
      fn: a function that JAX can trace.

    Returns:
      a function that does what `fn` does.

    Raises:
      TypeError: `fn` is not a function.

    >>> import warnings, jax, jax.numpy as jnp
    >>> from jreg import diagnose, noise
    >>> apply = jax.jit(diagnose.linted(lambda x: noise.dropout(jax.random.key(0), x, 0.5)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = apply(jnp.ones(3)), apply(jnp.ones(3))
    >>> len(caught), "key-constant" in str(caught[0].message)
    (1, True)
    """
    Checks("linted").called("fn", fn, "fn(*args, **kwargs) that JAX can trace")
    is_done = False

    @functools.wraps(fn)
    def checked(*args: Any, **kwargs: Any) -> Any:
        nonlocal is_done
        if not is_done:
            is_done = True
            for found in lint(fn, *args, **kwargs):
                warnings.warn(str(found), stacklevel=2)
        return fn(*args, **kwargs)

    return cast(F, checked)


RULES = (key_findings, noise_findings, norm_findings, target_findings)


def _traced(fn: Callable[..., Any], args: Any, kwargs: Any) -> Program:
    """The program of a call. Arrays become unknown, as under jit; all else stays as it is given."""
    leaves, structure = jax.tree.flatten_with_path((args, kwargs))
    places = [i for i, (_, leaf) in enumerate(leaves) if _is_array(leaf)]

    def call(*arrays: Any) -> Any:
        filled = [leaf for _, leaf in leaves]
        for place, array in zip(places, arrays, strict=True):
            filled[place] = array
        args, kwargs = jax.tree.unflatten(structure, filled)
        return [leaf for leaf in jax.tree.leaves(fn(*args, **kwargs)) if _is_array(leaf)]

    arrays = [leaves[place][1] for place in places]
    closed = jax.make_jaxpr(call)(*map(_abstract, arrays))
    names = [jax.tree_util.keystr(leaves[place][0][1:]) for place in places]
    return program_of(closed, names, [_concrete(array) for array in arrays], getattr(fn, "__name__", "fn"))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)


def _abstract(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _concrete(array: Any) -> Any:
    """A number that is given as an array, such as a rate; other arrays are data."""
    is_known = not isinstance(array, jax.ShapeDtypeStruct) and not checks.is_traced(array)
    is_number = is_known and not array.shape and jnp.issubdtype(array.dtype, jnp.floating)
    return np.asarray(array) if is_number else None
