"""The checks that every function shares: what is taken, and the one message for what is not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg._core import dtypes, leaves, trees
from jreg._core.checks import Checks

CHECK = Checks("f")
X = np.ones((2, 3), np.float32)


def of_numbers(value):
    return CHECK.number("rate", value)


def of_shape(value):
    return CHECK.shape("shape", value)


def of_axes(value):
    return CHECK.axes("axis", value, 2)


def of_arrays(value):
    return CHECK.inexact("x", value)


def of_leaves(value):
    return trees.selection(CHECK, None, {"kernel": value})


BAD = [
    (of_numbers, np.timedelta64(1), TypeError, r"^f: rate must be a real number; got np.timedelta64\(1\)$"),
    (of_numbers, np.ones(2, "m8[s]"), TypeError, r"^f: rate must be a real number; got array"),
    (of_numbers, np.datetime64("2000-01-01"), TypeError, r"^f: rate must be a real number; got np.datetime64"),
    (of_numbers, np.ma.masked, TypeError, r"^f: rate must be a real number; got masked"),
    (of_numbers, np.ma.array([0.5, 0.5], mask=[0, 1]), TypeError, r"^f: rate must be a real number; got masked_array"),
    (of_numbers, np.array([1], object), TypeError, r"^f: rate must be a real number; got array\(\[1\], dtype=object"),
    (of_numbers, 10**400, ValueError, r"^f: rate must be a number that a float can hold; got an int of 1329 bits$"),
    (
        of_numbers,
        -(10**5000),
        ValueError,
        r"^f: rate must be a number that a float can hold; got an int of 16610 bits$",
    ),
    (of_numbers, [10**5000], TypeError, r"^f: rate must be a real number; got a list with an int of more digits"),
    (lambda v: CHECK.scalar("x", v), jnp.ones(3), ValueError, r"^f: x must be a scalar; got shape \(3,\)$"),
    (lambda v: CHECK.integer("n", v), 10**400, ValueError, r"^f: n must be below 2\*\*63; got an int of 1329"),
    (lambda v: CHECK.integer("n", v), np.timedelta64(1), TypeError, r"^f: n must be a Python int; got np.timed"),
    (lambda v: CHECK.choice("mode", v, ("a", "b")), [1], ValueError, r"^f: mode must be one of 'a', 'b'; got \["),
    (lambda v: CHECK.axis("axis", v, 2), (), TypeError, r"^f: axis must be an int; got \(\)$"),
    (lambda v: CHECK.axis("axis", v, 2), (0, 1), TypeError, r"^f: axis must be an int; got \(0, 1\)$"),
    (
        lambda v: CHECK.axis("axis", v, 2),
        2,
        ValueError,
        r"^f: axis must name axes of a 2-dimensional array; got 2",
    ),
    (
        lambda v: CHECK.instance("s", v, np.ndarray, "init"),
        {},
        TypeError,
        r"^f: s must be a ndarray, from init; got",
    ),
    (lambda v: CHECK.called("fn", v, "of x"), None, TypeError, r"^f: fn must be a function of x; got None$"),
    (of_shape, None, TypeError, r"^f: shape must be an int or a sequence of ints; got None$"),
    (of_shape, "ab", TypeError, r"^f: shape must be an int or a sequence of ints; got 'ab'$"),
    (of_shape, {3: 4}, TypeError, r"^f: shape must be an int or a sequence of ints; got \{3: 4\}$"),
    (of_shape, np.array(3), TypeError, r"^f: shape must be an int or a sequence of ints; got array\(3\)$"),
    (of_shape, (2.0, 3), TypeError, r"^f: shape must hold ints; got \(2.0, 3\)$"),
    (of_shape, (True,), TypeError, r"^f: shape must hold ints; got \(True,\)$"),
    (of_shape, (2, (3,)), TypeError, r"^f: shape must hold ints; got \(2, \(3,\)\)$"),
    (of_shape, (2, -1), ValueError, r"^f: shape must hold sizes of at least 0; got \(2, -1\)$"),
    (of_shape, 10**400, ValueError, r"^f: shape must hold fewer than 2\*\*63 elements; got an int of 1329 bits$"),
    (of_shape, (0, 10**400), ValueError, r"^f: shape must hold fewer than 2\*\*63 elements; got \(0, 1000"),
    (of_shape, (2**40, 2**40), ValueError, r"^f: shape must hold fewer than 2\*\*63 elements"),
    (of_axes, 1.5, TypeError, r"^f: axis must be an int or a sequence of ints; got 1.5$"),
    (of_axes, None, TypeError, r"^f: axis must be an int or a sequence of ints; got None$"),
    (of_axes, True, TypeError, r"^f: axis must be an int or a sequence of ints; got True$"),
    (of_axes, np.array(1), TypeError, r"^f: axis must be an int or a sequence of ints; got array\(1\)$"),
    (of_axes, jnp.array(1), TypeError, r"^f: axis must be an int or a sequence of ints; got Array\(1"),
    (of_axes, np.timedelta64(1), TypeError, r"^f: axis must be an int or a sequence of ints; got np.timedelta64"),
    (of_axes, (0, None), TypeError, r"^f: axis must hold ints; got \(0, None\)$"),
    (of_axes, (0, 2), ValueError, r"^f: axis must name axes of a 2-dimensional array; got \(0, 2\)$"),
    (of_arrays, X.astype(">f4"), TypeError, r"^f: x must be an array that JAX can compute with; got dtype >f4, which"),
    (of_arrays, X.astype(object), TypeError, r"^f: x must be an array of floats; got dtype object$"),
    (of_arrays, X.astype("m8[s]"), TypeError, r"^f: x must be an array of floats; got dtype timedelta64\[s\]$"),
    (of_arrays, np.ma.array(X), TypeError, r"^f: x must be an array that JAX can .*; got a masked array, whose mask"),
    (of_arrays, jnp.ones(2, jnp.float8_e8m0fnu), TypeError, r"got dtype float8_e8m0fnu, which has no zero$"),
    (of_arrays, jnp.ones(2, jnp.float4_e2m1fn), TypeError, r"got dtype float4_e2m1fn, which has no NaN$"),
    (of_leaves, X.astype(">f4"), TypeError, r"^f: tree must hold arrays that JAX can .*; at kernel it has dtype >f4"),
    (of_leaves, X.astype(object), TypeError, r"^f: tree must hold arrays that .*; at kernel it has dtype object"),
    (of_leaves, np.ma.array(X), TypeError, r"^f: tree must hold arrays that .*; at kernel it has a masked array"),
    (leaves.matching, "(", ValueError, r"^matching: pattern must be a regular expression; got '\(' \(missing \)"),
    (leaves.matching, None, ValueError, r"^matching: pattern must be a regular expression; got None$"),
]


@pytest.mark.parametrize(("check", "value", "error", "message"), BAD, ids=[row[3][:60] for row in BAD])
def test_what_is_refused(check, value, error, message):
    with pytest.raises(error, match=message):
        check(value)


def test_long_doubles_are_numbers_but_no_arrays():
    obstacle = dtypes.obstacle(X.astype(np.longdouble))
    assert ("JAX does not have" in str(obstacle)) == (np.dtype(np.longdouble).itemsize > 8)
    assert of_numbers(np.longdouble(0.5)) == 0.5


@pytest.mark.parametrize("value", [3, np.int8(3), (3,), [3], range(3, 4), np.array([3])], ids=repr)
def test_one_int_stands_for_a_sequence_of_one(value):
    assert CHECK.shape("shape", value) == (3,)
    assert CHECK.integers("axis", value) == (3,)
    assert CHECK.axes("axis", value, 4) == (3,)


def test_shapes_may_be_empty_and_hold_no_elements():
    assert CHECK.shape("shape", ()) == ()
    assert CHECK.shape("shape", (0, 2**40)) == (0, 2**40)


def test_axes_are_sorted_and_not_negative():
    assert CHECK.axes("axis", (-1, 0), 3) == (0, 2)
    assert CHECK.axis("axis", np.int64(-1), 3) == 2
    assert CHECK.axes("axis", (), 3) == ()


def test_arrays_of_numpy_in_the_other_byte_order_are_numbers():
    np.testing.assert_array_equal(of_numbers(np.array([0.5, 2.0], ">f4")), [0.5, 2.0])


@pytest.mark.parametrize("dtype", [">i4", "O", "m8[s]"])
def test_a_bad_leaf_is_named_though_it_is_not_taken(dtype):
    with pytest.raises(TypeError, match="at steps it has dtype"):
        trees.selection(CHECK, None, {"kernel": X, "steps": np.ones(2, dtype)})


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float8_e4m3fn, jnp.float16, jnp.float64, jnp.complex64])
def test_arrays_that_jax_has_are_taken(dtype):
    for x in (np.zeros(2, dtype), jnp.zeros(2, jax.dtypes.canonicalize_dtype(dtype))):
        assert jnp.isnan(CHECK.inexact("x", x) * jnp.nan).all()
        assert trees.selection(CHECK, None, {"kernel": x}) == {"kernel": True}


def test_a_traced_number_that_misses_a_closed_end_by_a_rounding_is_that_end():
    """Compiled, `optax.linear_schedule(0.5, 0.0, 3)` ends at -1.5e-8, and noise that it drove was NaN."""
    schedule = optax.linear_schedule(0.5, 0.0, 3)
    rates = jax.jit(jax.vmap(lambda step: CHECK.rate("rate", schedule(step))))(jnp.arange(5.0))
    np.testing.assert_allclose(rates, [0.5, 1 / 3, 1 / 6, 0.0, 0.0], atol=1e-6)
    assert (rates >= 0.0).all()
    found = jax.jit(lambda value: CHECK.rate("rate", value))
    values = jnp.array([-5e-7, -2e-6, 1.0 + 5e-7, 1.0 + 3e-6, -0.0, 1.0])
    np.testing.assert_array_equal(jax.vmap(found)(values), [0.0, jnp.nan, 1.0, jnp.nan, 0.0, 1.0])
    open_end = jax.jit(lambda value: CHECK.scalar("rate", value, 0.0, 1.0, ends="()"))
    np.testing.assert_array_equal(jax.vmap(open_end)(jnp.array([0.0, 1.0, -1e-8])), [jnp.nan] * 3)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_number_inside_its_interval_has_the_slope_1(value):
    assert jax.grad(lambda value: CHECK.rate("rate", value))(value) == 1.0
