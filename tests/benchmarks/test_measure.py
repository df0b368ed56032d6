"""What a suite's figures mean: ratios to the first case, intervals, rotation, facts of the compiler."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure


def figures(seconds, budgets=None):
    suite = measure.Suite("suite", {name: lambda: None for name in seconds}, budgets or {})
    return measure.summarize(suite, seconds, {})


def test_ratios_are_to_the_first_case():
    first, second = figures({"first": [1.0, 2.0, 4.0], "second": [3.0, 4.0, 9.0]}, {"second": 1.5})
    assert (first["fastest_ratio"], first["median_ratio"], first["budget"]) == (1.0, 1.0, None)
    assert (second["fastest_ratio"], second["median_ratio"], second["budget"]) == (3.0, 2.0, 1.5)


def test_every_sample_is_kept():
    rows = figures({"first": [1.0, 2.0], "second": [3.0, 4.0]})
    assert [row["seconds"] for row in rows] == [[1.0, 2.0], [3.0, 4.0]]


def test_a_slow_phase_that_meets_both_cases_does_not_hide_their_difference():
    phases = np.r_[np.ones(15), np.full(15, 6.0)]
    _, row = figures({"first": list(phases), "second": list(1.1 * phases)})
    np.testing.assert_allclose(row["interval"], [1.1, 1.1])
    assert measure.is_told_apart(row)


def test_noise_that_is_larger_than_the_difference_is_not_told_apart():
    rng = np.random.default_rng(0)
    first, second = (list(rng.lognormal(size=30)) for _ in range(2))
    _, row = figures({"first": first, "second": second})
    assert row["interval"][0] < 1.0 < row["interval"][1]
    assert not measure.is_told_apart(row)


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        bounds = measure.interval(list(rng.lognormal(size=30)), list(rng.lognormal(size=30)))
        held += bounds[0] <= 1.0 <= bounds[1]
    assert 0.92 <= held / 400 <= 0.99


def test_too_few_rounds_give_no_interval():
    _, row = figures({"first": [1.0, 1.0], "second": [2.0, 2.0]})
    assert row["interval"] is None
    assert not measure.is_told_apart(row)


def test_every_round_calls_every_case_once():
    calls = []
    cases = {name: (lambda name=name: calls.append(name)) for name in ("a", "b", "c")}
    seconds = measure.sample(measure.prepare(cases), rounds=5)
    assert {name: len(samples) for name, samples in seconds.items()} == {"a": 5, "b": 5, "c": 5}
    rounds = np.array(calls[3:]).reshape(5, 3)
    assert all(sorted(row) == ["a", "b", "c"] for row in rounds)


def test_compiled_cases_rotate_large_arrays_and_share_their_copies():
    x = jnp.ones((2**18,))
    cases = {"first": partial(jax.jit(lambda x: x * 2), x), "second": partial(jax.jit(lambda x: x * 3), x)}
    first, second = measure.prepare(cases).values()
    arrays = [[run.args[0].args[0] for run in case.runs] for case in (first, second)]
    assert arrays[0][0] is not arrays[0][1]
    assert [ours is theirs for ours, theirs in zip(*arrays, strict=True)] == [True, True]
    np.testing.assert_array_equal(arrays[0][1], x)


def test_the_compiler_tells_bytes_and_operations():
    a = jnp.ones((64, 64))
    (case,) = measure.prepare({"product": partial(jax.jit(jnp.matmul), a, a)}).values()
    assert case.facts["bytes"] == 3 * a.nbytes
    np.testing.assert_allclose(case.facts["flops"], 2 * 64**3, rtol=0.1)
    assert case.facts["compile_s"] > 0


def test_work_becomes_a_rate():
    suite = measure.Suite("suite", {"sweep": lambda: None}, work={"sweep": 10.0}, unit="models")
    (row,) = measure.summarize(suite, {"sweep": [0.5, 1.0]}, {})
    assert (row["per_second"], row["unit"]) == (20.0, "models")


def test_a_case_of_another_process_reports_its_own_seconds():
    prepared = measure.prepare({"here": lambda: None, "there": measure.Remote(lambda: 42.0, compile_s=7.0)})
    assert measure.sample(prepared, rounds=3)["there"] == [42.0] * 3
    assert prepared["there"].facts["compile_s"] == 7.0


def test_whoever_watches_sees_the_samples_of_every_round():
    seen = []
    prepared = measure.prepare({"first": lambda: None, "second": lambda: None})
    measure.sample(prepared, 3, lambda seconds: seen.append([len(samples) for samples in seconds.values()]))
    assert seen == [[1, 1], [2, 2], [3, 3]]


def test_the_ceiling_is_the_nearer_one():
    ceilings = {"bytes_per_second": 100.0, "flops_per_second": 1000.0}
    row = {"fastest_ms": 1e3, "bytes": 50.0, "flops": 100.0}
    assert measure.ceiling_share(row, ceilings) == 0.5
    assert measure.ceiling_share({**row, "bytes": None}, ceilings) == 0.1
    assert measure.ceiling_share({**row, "bytes": None, "flops": None}, ceilings) is None


def test_a_step_goes_on_from_its_own_state_and_leaves_what_others_share():
    start, seen = jnp.ones(4), []

    def step(state, increment):
        jax.debug.callback(lambda first: seen.append(float(first)), state[0])
        return state + increment

    cases = {name: measure.Step(step, start, (jnp.float32(by),)) for name, by in (("one", 1.0), ("ten", 10.0))}
    measure.sample(measure.prepare(cases), rounds=2)
    jax.effects_barrier()
    assert sorted(seen) == [1.0, 1.0, 2.0, 3.0, 11.0, 21.0]
    np.testing.assert_array_equal(start, 1.0)
