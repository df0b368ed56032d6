"""Valid calls with one or two arguments spoiled: an error that names the function, a valid result or NaN; no raw error.

`FUZZ=hour` runs longer (`make fuzz`). `python -m tests.test_fuzz` spoils every argument in every way once and prints
what is raw, as the table of `KNOWN`, and the counts; given `chosen`, it takes the choice of the test, and given
beginnings of names, those functions. `python -m tests.test_fuzz noise.dropout rate=minus_one` runs one call.
"""

import inspect
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any
from zlib import crc32

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import tests.conftest  # noqa: F401  The same settings outside of pytest.
from tests.calls import CALLS, Call, is_key, public
from tests.fuzz_known import KNOWN

GOOD_ERROR = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)?: ")
X = np.ones((4, 3), np.float32)


class Traced:
    """A value that the function sees as a tracer."""

    def __init__(self, value: Any) -> None:
        self.value = value


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
    "function": lambda: max,
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
    "train.grid": "takes a dict of lists: tests/train/test_grid.py",
    "train.unstack": "takes a dict of lists: tests/train/test_grid.py",
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
    """Call a function with some arguments spoiled: "error", "valid", "nan" or "raw", and what was said."""
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
    except (TypeError, ValueError) as error:
        said = f"{type(error).__name__}: {error}"
        is_good = type(error) in (TypeError, ValueError) and GOOD_ERROR.match(str(error))
        return ("error" if is_good else "raw"), said
    except Exception as error:
        return "raw", f"{type(error).__name__}: {error}"
    return ("nan" if any(map(has_nan, leaves)) else "valid"), ""


def has_nan(leaf: Any) -> bool:
    return not is_key(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact) and bool(np.isnan(np.asarray(leaf)).any())


def is_known(name: str, spoiled: Mapping[str, str]) -> bool:
    return any(kind in KNOWN.get(name, {}).get(argument, "").split() for argument, kind in spoiled.items())


def repro(name: str, spoiled: Mapping[str, str]) -> str:
    return " ".join(["python -m tests.test_fuzz", name, *(f"{key}={kind}" for key, kind in spoiled.items())])


settings.register_profile("short", derandomize=True, database=None, max_examples=5)
settings.register_profile("hour", derandomize=False, max_examples=1000)
PROFILE = settings(
    settings.get_profile(os.environ.get("FUZZ", "short")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def spoil(name: str, judge: Callable[[dict[str, str]], None]) -> None:
    """Let hypothesis choose what to spoil; `judge` raises where the outcome is not good."""
    choices = st.tuples(st.sampled_from(spoilable(name) or [""]), st.sampled_from(list(BAD)))

    @PROFILE
    @given(st.lists(choices, min_size=1, max_size=2, unique_by=lambda choice: choice[0]).map(dict))
    def check(spoiled: dict[str, str]) -> None:
        judge(spoiled)

    if spoilable(name):
        seed(crc32(name.encode()))(check)() if PROFILE.derandomize else check()


@pytest.mark.parametrize("name", targets())
def test_a_spoiled_argument_is_named_or_gives_a_result(name):
    def judge(spoiled: dict[str, str]) -> None:
        kind, said = outcome(name, spoiled)
        assert kind != "raw" or is_known(name, spoiled), f"{repro(name, spoiled)}\n{said}"

    spoil(name, judge)


def test_every_public_function_is_spoiled_or_has_a_reason():
    functions = {name for name, value in public().items() if inspect.isfunction(value)}
    assert functions == set(targets()) | set(EXEMPT)
    assert not set(targets()) & set(EXEMPT)


def test_what_is_known_is_spelled_right():
    for name, by_argument in KNOWN.items():
        assert set(by_argument) <= set(spoilable(name)), name
        assert set(" ".join(by_argument.values()).split()) <= set(BAD), name


def singles(beginnings: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every argument in every way, of the functions whose names begin so."""
    for name in targets():
        if not beginnings or name.startswith(beginnings):
            yield from ((name, {argument: kind}) for argument in spoilable(name) for kind in BAD)


def chosen() -> Iterator[tuple[str, dict[str, str]]]:
    """What the test spoils."""
    for name in targets():
        found: list[dict[str, str]] = []
        spoil(name, found.append)
        yield from ((name, spoiled) for spoiled in found)


def main(arguments: list[str]) -> None:
    if arguments and "=" in arguments[-1]:
        print(*outcome(arguments[0], dict(pair.split("=") for pair in arguments[1:])))
        return
    counts: Counter[str] = Counter()
    raw: dict[str, dict[str, list[str]]] = {}
    for name, spoiled in chosen() if arguments == ["chosen"] else singles(tuple(arguments)):
        found, said = outcome(name, spoiled)
        counts["known" if found == "raw" and is_known(name, spoiled) else found] += 1
        if found == "raw":
            print(repro(name, spoiled), "|", " ".join(said.split())[:150], file=sys.stderr)
            for argument, kind in spoiled.items():
                if len(spoiled) == 1 or outcome(name, {argument: kind})[0] == "raw":
                    raw.setdefault(name, {}).setdefault(argument, []).append(kind)
    for name, by_argument in raw.items():
        print(f'    "{name}": {{')
        for argument, kinds in by_argument.items():
            print(f'        "{argument}": "{" ".join(kinds)}",')
        print("    },")
    print(f"# {sum(counts.values())} calls:", ", ".join(f"{number} {kind}" for kind, number in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
