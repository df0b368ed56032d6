"""Every public function in every mode that JAX can be in: one table, a row for each function."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests.calls import CALLS, HOST, Call, is_key, public

SHARDED, WHOLE = PartitionSpec("data"), PartitionSpec()
HEAVY = ("augment.", "linen.", "nnx.", "train.")


def plain(tree: Any) -> list[Any]:
    """The arrays of a result, keys as their data."""
    return [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in jax.tree.leaves(tree)]


def program(call: Call, given: Any) -> tuple[Callable[..., Any], list[Any]]:
    """The call as a function of its arrays alone, and those arrays. A new function each time, so with a cache of its
    own: some modes are no part of the key of JAX's caches."""
    leaves, structure = jax.tree.flatten(given, is_leaf=lambda leaf: leaf is None)
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, jax.Array | np.ndarray)]

    def run(*arrays: Any) -> Any:
        filled = list(leaves)
        for place, array in zip(places, arrays, strict=True):
            filled[place] = array
        return plain(call(*jax.tree.unflatten(structure, filled)))

    return run, [leaves[place] for place in places]


@cache
def compiled(call: Call) -> tuple[Callable[..., Any], list[Any]]:
    run, arrays = program(call, call.given)
    return jax.jit(run).lower(*arrays).compile(), arrays


@cache
def expected(call: Call) -> list[np.ndarray]:
    run, arrays = compiled(call)
    return [np.asarray(leaf) for leaf in run(*arrays)]


@cache
def own_shapes(call: Call) -> list[Any]:
    """The types of the result under the settings of the suite, where nothing is promoted."""
    return shapes_of(call)


def shapes_of(call: Call) -> list[Any]:
    run, arrays = program(call, call.given)
    return [(leaf.shape, leaf.dtype) for leaf in jax.eval_shape(run, *arrays)]


def assert_same(call: Call, result: Any, **tolerance: float) -> None:
    for mine, other in zip(result, expected(call), strict=True):
        mine = np.asarray(mine)
        assert mine.shape == other.shape
        assert np.can_cast(other.dtype, mine.dtype, "same_kind"), (mine.dtype, other.dtype)
        bound = max(call.tolerance, tolerance.get("at_least", 0.0))
        np.testing.assert_allclose(mine.astype(other.dtype), other, rtol=bound, atol=bound)


def changed(call: Call, change: Callable[[Any], Any], *, everything: bool = False) -> tuple[Any, ...]:
    """The arguments with their batches changed; with `everything`, all arrays but keys."""

    def on_leaf(leaf: Any) -> Any:
        is_data = isinstance(leaf, jax.Array | np.ndarray) and not is_key(leaf)
        return change(leaf) if is_data and (everything or np.ndim(leaf)) else leaf

    return tuple(
        value if place in call.whole and not everything else jax.tree.map(on_leaf, value)
        for place, value in enumerate(call.given)
    )


def wide(leaf: Any) -> Any:
    kind = jnp.result_type(leaf)
    if jnp.issubdtype(kind, jnp.floating):
        return np.asarray(leaf).astype(np.float64)
    return np.asarray(leaf).astype(np.int64) if jnp.issubdtype(kind, jnp.signedinteger) else leaf


def is_heavy(call: Call) -> bool:
    return call.name.startswith(HEAVY)


def ran(call: Call, given: Any) -> None:
    """The same result, by a program of its own."""
    run, arrays = program(call, given)
    assert_same(call, jax.jit(run)(*arrays))


def in_x64_mode(call: Call) -> None:
    """Same numbers; data keep their type, be it narrow or wide."""
    narrow = expected(call)
    with jax.enable_x64(True):
        run, arrays = program(call, call.given)
        for mine, other in zip(jax.eval_shape(run, *arrays), narrow, strict=True):
            assert mine.shape == other.shape
        run, arrays = program(call, changed(call, wide, everything=True))
        assert_same(call, jax.jit(run)(*arrays), at_least=1e-4)


def on_mesh(call: Call, kind: AxisType) -> None:
    mesh = jax.make_mesh((2,), ("data",), axis_types=(kind,))

    def place(value: Any, spec: PartitionSpec) -> Any:
        def put(leaf: Any) -> Any:
            if not isinstance(leaf, jax.Array | np.ndarray):
                return leaf
            divides = spec == SHARDED and not is_key(leaf) and np.ndim(leaf) and np.shape(leaf)[0] % 2 == 0
            return jax.device_put(leaf, NamedSharding(mesh, SHARDED if divides else WHOLE))

        return jax.tree.map(put, value)

    expected(call)
    with jax.set_mesh(mesh):
        ran(call, tuple(place(v, WHOLE if i in call.whole else SHARDED) for i, v in enumerate(call.given)))


def in_shard_map(call: Call) -> None:
    """Each shard gets a copy of all the data, and so has the whole result."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    _, arrays = program(call, changed(call, lambda leaf: np.stack([leaf, leaf])))
    run_one, originals = program(call, call.given)
    doubled = [np.ndim(mine) > np.ndim(original) for mine, original in zip(arrays, originals, strict=True)]

    def shard(*arrays: Any) -> Any:
        mine = [array[0] if is_doubled else array for array, is_doubled in zip(arrays, doubled, strict=True)]
        return [jnp.asarray(leaf)[None] for leaf in run_one(*mine)]

    specs = tuple(SHARDED if is_doubled else WHOLE for is_doubled in doubled)
    on_shards = jax.shard_map(shard, mesh=mesh, in_specs=specs, out_specs=SHARDED)
    if is_heavy(call):
        jax.eval_shape(on_shards, *arrays)
        return
    results = jax.jit(on_shards)(*arrays)
    for index in range(2):
        assert_same(call, [leaf[index] for leaf in results])


def with_legacy_keys(call: Call) -> None:
    """Raw words as keys, of the length that the default implementation has."""

    def legacy(leaf: Any) -> Any:
        return jax.random.PRNGKey(7) if is_key(leaf) else leaf

    for implementation in ("rbg", "unsafe_rbg"):
        with jax.default_prng_impl(implementation):
            run, arrays = program(call, tuple(jax.tree.map(legacy, value) for value in call.given))
            shapes = [leaf.shape for leaf in jax.eval_shape(run, *arrays)]
        assert len(shapes) == len(own_shapes(call))


def under_standard_promotion(call: Call) -> None:
    """What the suite's own settings are not: results have the same types as where nothing is promoted."""
    strict = own_shapes(call)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert strict == shapes_of(call)


def under_debug_nans(call: Call) -> None:
    run, arrays = compiled(call)
    with jax.debug_nans(True):
        assert_same(call, run(*arrays))


def without_jit(call: Call) -> None:
    if not is_heavy(call):
        expected(call)
    with jax.disable_jit():
        run, arrays = program(call, call.given)
        if is_heavy(call):
            jax.eval_shape(run, *arrays)
        else:
            assert_same(call, run(*arrays))


def exported(call: Call) -> None:
    run, arrays = program(call, call.given)
    stored = jax.export.deserialize(jax.export.export(jax.jit(run))(*arrays).serialize())
    assert [(leaf.shape, leaf.dtype) for leaf in stored.out_avals] == own_shapes(call)
    if not is_heavy(call):
        assert_same(call, jax.jit(stored.call)(*arrays))


def on_rows(call: Call, num_rows: int) -> list[np.ndarray]:
    run, arrays = program(call, changed(call, lambda leaf: leaf[:num_rows]))
    results = [np.asarray(leaf) for leaf in jax.jit(run)(*arrays)]
    for mine, other in zip(results, expected(call), strict=True):
        assert mine.dtype == other.dtype
        assert mine.ndim == other.ndim
    return results


def on_an_empty_batch(call: Call) -> None:
    on_rows(call, 0)


def on_one_row(call: Call) -> None:
    for leaf in on_rows(call, 1):
        assert np.isfinite(leaf.astype(np.float32)).all()


MODES: dict[str, Callable[[Call], None]] = {
    "x64 mode": in_x64_mode,
    "auto mesh": lambda call: on_mesh(call, AxisType.Auto),
    "explicit mesh": lambda call: on_mesh(call, AxisType.Explicit),
    "shard_map": in_shard_map,
    "legacy keys": with_legacy_keys,
    "standard promotion": under_standard_promotion,
    "debug_nans": under_debug_nans,
    "disable_jit": without_jit,
    "export": exported,
    "empty batch": on_an_empty_batch,
    "one row": on_one_row,
}


def takes_keys(call: Call) -> bool:
    return any(map(is_key, jax.tree.leaves(call.given)))


def cases() -> list[Any]:
    """Every row in every mode that it can have; the legacy keys, where there is a key."""
    return [
        pytest.param(call, mode, id=f"{call}-{mode}")
        for call in CALLS
        for mode in MODES
        if mode not in call.without and (mode != "legacy keys" or takes_keys(call))
    ]


@pytest.mark.sampled(32)
@pytest.mark.parametrize(("call", "mode"), cases())
def test_every_function_works_in_every_mode(call, mode):
    MODES[mode](call)


def test_every_public_function_has_a_row_or_a_reason():
    rows = {call.name.split(",")[0] for call in CALLS}
    assert set(public()) == rows | set(HOST)
    assert not rows & set(HOST)


def test_the_modes_that_rows_cannot_have_are_modes_and_have_reasons():
    for call in CALLS:
        assert set(call.without) <= set(MODES), call
        assert all(call.without.values()), call
    assert len({call.name for call in CALLS}) == len(CALLS)
