"""Valid calls with one or two arguments spoiled: an error that names the function, a valid result or NaN; no raw error.

Each function gets a few fixed choices; with `make test-all`, every argument is spoiled in every way.
`python -m tests.test_fuzz` does that too, prints what is raw, and counts; given beginnings of names, for those
functions. `python -m tests.test_fuzz noise.dropout rate=minus_one` runs one call.
"""

import inspect
import os
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jreg
import tests.conftest  # noqa: F401  The same settings outside of pytest.
from tests.calls import CALLS, Call, is_key, public

NUM_CHOICES = 2
GOOD_ERROR = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)?: ")
X = np.ones((4, 3), np.float32)
HERE, LIBRARY = Path(__file__).parent, Path(jreg.__file__).parent


class Traced:
    """A value that the function sees as a tracer."""

    def __init__(self, value: Any) -> None:
        self.value = value


def unfit(*args: Any, **options: Any) -> Any:
    raise LookupError("an error of the function's own")


# Each is made anew for a call, in case the call changes it.
BAD: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "text": lambda: "text",
    "empty_text": lambda: "",
    "true": lambda: True,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "minus_inf": lambda: -float("inf"),
    "minus_one": lambda: -1,
    "zero": lambda: 0,
    "half": lambda: 0.5,
    "two": lambda: 2.0,
    "huge": lambda: 10**400,
    "large": lambda: 2**40,
    "complex": lambda: 1j,
    "scalar_array": lambda: jnp.float32(0.5),
    "nan_array": lambda: np.full((4, 3), np.nan, np.float32),
    "empty": lambda: np.zeros((0,), np.float32),
    "empty_rows": lambda: np.zeros((0, 3), np.float32),
    "vector": lambda: np.ones(5, np.float32),
    "deep": lambda: np.ones((1, 2, 1, 2, 1, 2), np.float32),
    "ints": lambda: np.arange(12).reshape(4, 3),
    "large_ints": lambda: np.array([2**40, -1, 0, 2], np.int64),
    "bools": lambda: np.ones((4, 3), bool),
    "complexes": lambda: np.ones((4, 3), np.complex64),
    "half_floats": lambda: np.ones((4, 3), np.float16),
    "doubles": lambda: np.ones((4, 3), np.float64),
    "float8": lambda: X.astype(ml_dtypes.float8_e4m3fn),
    "float8_powers": lambda: X.astype(ml_dtypes.float8_e8m0fnu),
    "int4": lambda: X.astype(ml_dtypes.int4),
    "big_endian": lambda: np.ones((4, 3), ">f4"),
    "long_doubles": lambda: np.ones((4, 3), np.longdouble),
    "objects": lambda: np.full((4, 3), None, object),
    "strings": lambda: np.full((4, 3), "a"),
    "masked": lambda: np.ma.masked_array(X, mask=X > 0),
    "duration": lambda: np.timedelta64(1),
    "date": lambda: np.datetime64("2020-01-01"),
    "list": lambda: [0.5, 0.5],
    "tuple": lambda: (1, 1),
    "empty_tuple": lambda: (),
    "dict": lambda: {"a": X},
    "empty_dict": lambda: {},
    "set": lambda: {1, 2},
    "function": lambda: unfit,
    "module": lambda: np,
    "key": lambda: jax.random.key(0),
    "keys": lambda: jax.random.split(jax.random.key(0), 4),
    "traced_nan": lambda: Traced(np.float32(np.nan)),
    "traced_two": lambda: Traced(np.float32(2.0)),
    "traced_int": lambda: Traced(np.int32(3)),
    "traced_array": lambda: Traced(X),
    "traced_ids": lambda: Traced(np.array([0, 7, -1, 2], np.int32)),
}
EXEMPT = {
    "train.run": "a loop on the host with files and signals: tests/train/test_run.py",
    "diagnose.audit_optimizer": "calls the optimizer that it is given: tests/diagnose/test_optimizer.py",
    **{
        f"diagnose.plot_{name}": f"draws: tests/diagnose/test_plot_{name}.py"
        for name in ("calibration", "curves", "gaps", "masks", "path", "sweep")
    },
    "diagnose.lint": "calls the function that it is given: tests/diagnose/test_lint.py",
    "diagnose.lint_optimizer": "calls the optimizer that it is given: tests/diagnose/test_lint_optimizer.py",
    "diagnose.linted": "calls the function that it is given: tests/diagnose/test_lint.py",
    "linen.as_function": "takes a module and its variables: tests/linen/test_as_function.py",
    "nnx.as_function": "takes a module: tests/nnx/test_as_function.py",
    "optim.greedy_soup": "calls the function that it is given: tests/optim/test_soup.py",
    "linen.dot_product_attention": "has flax's arguments, and its errors: tests/linen/test_attention.py",
    "nnx.dot_product_attention": "has flax's arguments, and its errors: tests/nnx/test_attention.py",
    "train.grid": "takes a dict of lists: tests/train/test_grid.py",
    "train.halving": "calls the function that it is given: tests/train/test_halving.py",
    "train.reshape_to_grid": "takes a dict of lists: tests/train/test_grid.py",
    "train.tabulate": "takes a dict of lists: tests/train/test_table.py",
}
"""The public functions that are not spoiled here, each with the reason."""


@cache
def targets() -> dict[str, tuple[Call, Mapping[str, Any]]]:
    """The first row that calls each public function itself, and the arguments by name."""
    found: dict[str, tuple[Call, Mapping[str, Any]]] = {}
    for call in CALLS:
        name, function = call.name.split(",")[0], public().get(call.name.split(",")[0])
        inner, fixed = (
            (call.function.func, call.function)
            if isinstance(call.function, partial)
            else (call.function, partial(call.function))
        )
        if name not in found and inner is function and inspect.isfunction(function):
            bound = inspect.signature(inner).bind(*fixed.args, *call.args, **fixed.keywords, **call.options)
            bound.apply_defaults()
            found[name] = call, bound.arguments
    return found


def spoilable(name: str) -> list[str]:
    parameters = inspect.signature(public()[name]).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]


def outcome(name: str, spoiled: Mapping[str, str]) -> tuple[str, str]:
    """Call a function with some arguments spoiled: what came of it, and what was said.

    "error" names the function, "valid" and "nan" are results, "own" is an error of a function that was given, "memory"
    that of an array too large for any machine; whatever else there is, is "raw".
    """
    call, arguments = targets()[name]
    values = {argument: BAD[kind]() for argument, kind in spoiled.items()}
    traced = {argument: value.value for argument, value in values.items() if isinstance(value, Traced)}

    def run(tracers: Mapping[str, Any]) -> Any:
        given = {**arguments, **values, **tracers}
        function, positional, named = public()[name], [], {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += given[parameter.name]
            elif parameter.kind is parameter.KEYWORD_ONLY:
                named[parameter.name] = given[parameter.name]
            else:
                positional.append(given[parameter.name])
        result = function(*positional, **named)
        result = result if call.then is None else call.then(result, *call.data)
        return [leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array | np.ndarray)]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaves = jax.jit(run)(traced) if traced else run({})
    except Exception as error:
        return kind_of(error), f"{type(error).__name__}: {error}"
    return ("nan" if any(map(has_nan, leaves)) else "valid"), ""


def kind_of(error: Exception) -> str:
    if type(error) in (TypeError, ValueError) and GOOD_ERROR.match(str(error)):
        return "error"
    if "RESOURCE_EXHAUSTED" in str(error):
        return "memory"
    folders = [Path(frame.filename).parent for frame in traceback.extract_tb(error.__traceback__)]
    ours = [folder for folder in folders if HERE in (folder, *folder.parents) or LIBRARY in (folder, *folder.parents)]
    inside = [folder for folder in ours if LIBRARY in (folder, *folder.parents)]
    return "own" if inside and ours[-1] == HERE else "raw"


def has_nan(leaf: Any) -> bool:
    return not is_key(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact) and bool(np.isnan(np.asarray(leaf)).any())


def repro(name: str, spoiled: Mapping[str, str]) -> str:
    return " ".join(["python -m tests.test_fuzz", name, *(f"{key}={kind}" for key, kind in spoiled.items())])


def choices(name: str) -> Iterator[dict[str, str]]:
    """Every argument in every way and, after each few, two at once; in an order of the function's own."""
    singles = [(argument, kind) for kind in BAD for argument in spoilable(name)]
    start, stride = crc32(name.encode()), 7919
    order = [singles[(start + stride * place) % len(singles)] for place in range(len(singles))]
    for place, single in enumerate(order):
        yield dict([single])
        if place % 4 == 3 and order[place - 1][0] != single[0]:
            yield dict([order[place - 1], single])


@pytest.mark.parametrize("name", targets())
def test_a_spoiled_argument_is_named_or_gives_a_result(name):
    for spoiled in islice(choices(name), None if "EVERY_CASE" in os.environ else NUM_CHOICES):
        kind, said = outcome(name, spoiled)
        assert kind != "raw", f"{repro(name, spoiled)}\n{said}"


def test_every_public_function_is_spoiled_or_has_a_reason():
    functions = {name for name, value in public().items() if inspect.isfunction(value)}
    assert functions == set(targets()) | set(EXEMPT)
    assert not set(targets()) & set(EXEMPT)


def test_the_order_of_the_choices_leaves_out_none():
    singles = [tuple(spoiled.items()) for spoiled in choices("noise.dropout") if len(spoiled) == 1]
    assert len(set(singles)) == len(singles) == len(BAD) * len(spoilable("noise.dropout"))


def main(arguments: list[str]) -> None:
    if arguments and "=" in arguments[-1]:
        print(*outcome(arguments[0], dict(pair.split("=") for pair in arguments[1:])))
        return
    counts: Counter[str] = Counter()
    for name in targets():
        for spoiled in choices(name) if not arguments or name.startswith(tuple(arguments)) else ():
            found, said = outcome(name, spoiled)
            counts[found] += 1
            if found == "raw":
                print(repro(name, spoiled), "|", " ".join(said.split())[:150], flush=True)
    print(f"{counts.total()} calls:", ", ".join(f"{number} {kind}" for kind, number in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
