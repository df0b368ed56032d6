"""A sweep that was killed runs what is missing; a lane is known by its key, its setting and its program."""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import train
from tests.train.test_sweep import HYPERS, KEYS, assert_equal, lane

ONE = jax.devices()[:1]


class StoppedError(Exception):
    pass


def counting(calls):
    """A `fit_one` that notes how many lanes ran."""

    def fit_one(key, hyper):
        jax.debug.callback(lambda _: calls.append(1), hyper["rate"])
        return lane(key, hyper)

    return fit_one


def stopping_after(num_chunks):
    calls = []

    def progress(done, total):
        calls.append(done)
        if len(calls) == num_chunks:
            raise StoppedError

    return progress


def num_run(calls, fit_one, *arguments, **options):
    calls.clear()
    found = train.sweep(fit_one, *arguments, **{"devices": ONE} | options)
    jax.block_until_ready(found)
    jax.effects_barrier()
    return found, len(calls)


@pytest.mark.parametrize("num_devices", [1, 2])
def test_a_sweep_that_stopped_goes_on_where_it_was(tmp_path, capsys, num_devices):
    calls = []
    fit_one, whole = counting(calls), train.sweep(lane, KEYS, HYPERS)
    options = {"chunk_size": 4, "checkpoints": tmp_path / "sweep", "devices": jax.devices()[:num_devices]}
    with pytest.raises(StoppedError):
        train.sweep(fit_one, KEYS, HYPERS, progress=stopping_after(2), **options)
    assert capsys.readouterr().err == ""
    shown = []
    found, ran = num_run(calls, fit_one, KEYS, HYPERS, progress=lambda *done: shown.append(done), **options)
    assert_equal(found, whole)
    assert ran == 8  # two chunks of one length, for the seven that are missing
    assert shown == [(12, 15), (15, 15)]
    assert capsys.readouterr().err == f"sweep: 8 of 15 lanes are in {tmp_path / 'sweep'}\n"
    again, ran = num_run(calls, fit_one, KEYS, HYPERS, **options)
    assert_equal(again, whole)
    assert ran == 0


@pytest.mark.thorough
def test_a_changed_grid_reuses_the_lanes_that_both_share(tmp_path):
    calls = []
    fit_one = counting(calls)
    train.sweep(fit_one, KEYS, HYPERS, checkpoints=tmp_path)
    more = {
        "rate": jnp.append(HYPERS["rate"][::-1], 0.3),
        "scale": jnp.concatenate([HYPERS["scale"][::-1], jnp.ones((1, 2))]),
    }
    keys = jnp.concatenate([KEYS[1:], jax.random.split(jax.random.key(9), 1)])
    found, ran = num_run(calls, fit_one, keys, more, checkpoints=tmp_path)
    assert ran == 6 * 3 - 5 * 2
    assert_equal(found, train.sweep(lane, keys, more))


def test_another_program_or_other_data_share_nothing(tmp_path):
    calls, data = [], np.arange(4.0, dtype=np.float32)

    def over(values, power=1):
        def fit_one(key, hyper):
            jax.debug.callback(lambda _: calls.append(1), hyper["rate"])
            return jnp.sum(jnp.asarray(values) ** power).astype(jnp.float32) * hyper["rate"]

        return fit_one

    runs = []
    for fit_one in (
        over(data),
        over(data, 2),
        over(data + np.float32([0, 0, 0, 1e-6])),
        over(data.astype(np.float16)),
        over(data),
    ):
        runs.append(num_run(calls, fit_one, KEYS, HYPERS, checkpoints=tmp_path)[1])
    assert runs == [15, 15, 15, 15, 0]


def test_every_dtype_comes_back_to_the_bit(tmp_path):
    def fit_one(key, hyper):
        rate = hyper["rate"]
        return {
            "narrow": (rate * jnp.ones((2, 3))).astype(jnp.bfloat16),
            "flag": rate > 0.3,
            "nan": jnp.array([jnp.nan, -0.0]) * rate,
            "none": jnp.zeros((0, 2)),
            "complex": jax.lax.complex(rate, rate),
            "key": jax.random.fold_in(key, 1),
            "word": jnp.uint8(3),
        }

    first = train.sweep(fit_one, KEYS, HYPERS, checkpoints=tmp_path)
    with jax.debug_nans(False):
        assert_equal(train.sweep(fit_one, KEYS, HYPERS, checkpoints=tmp_path), first)


def test_a_damaged_file_is_named_and_its_lanes_run_again(tmp_path, capsys):
    calls = []
    fit_one = counting(calls)
    whole = train.sweep(fit_one, KEYS, HYPERS, checkpoints=tmp_path, chunk_size=5, devices=ONE)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 3
    flipped = bytearray(files[0].read_bytes())
    flipped[len(flipped) // 2] ^= 1
    files[0].write_bytes(flipped)
    files[1].write_bytes(files[1].read_bytes()[:100])
    (tmp_path / "other.npz").write_text("no archive")
    found, ran = num_run(calls, fit_one, KEYS, HYPERS, checkpoints=tmp_path, chunk_size=5)
    assert_equal(found, whole)
    assert ran == 10
    assert capsys.readouterr().err.count("cannot be read, so its lanes run again") == 3


CHILD = """
import sys, time
import jax, jax.numpy as jnp
from jreg import train

def slow(key, hyper):
    return jax.random.normal(key, (1000,)) * hyper

def progress(done, total):
    print(done, flush=True)
    time.sleep(0.02)

keys = jax.random.split(jax.random.key(0), 4)
found = train.sweep(slow, keys, jnp.arange(16.0), chunk_size=4, checkpoints=sys.argv[1], progress=progress)
print("sum", float(jnp.sum(found)))
"""


@pytest.mark.thorough
def test_killed_at_any_time_it_goes_on(tmp_path):
    def started(directory):
        command = [sys.executable, "-c", CHILD, str(directory)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])

    whole = started(tmp_path / "whole").communicate()[0].splitlines()[-1]
    directory, done = tmp_path / "killed", 0
    for _ in range(20):
        lines = []
        with started(directory) as child:
            for line in child.stdout:
                lines.append(line.strip())
                if len(lines) == 5:
                    time.sleep(0.01)
                    child.kill()
        if lines and lines[-1].startswith("sum"):
            break
        assert int(lines[0]) > done
        done = int(lines[0])
    assert lines[-1] == whole
    assert not [name for name in os.listdir(directory) if not name.endswith((".npz", ".partial"))]


def test_what_a_kill_left_half_written_is_removed_once_it_is_old(tmp_path):
    leftover, young, foreign = (tmp_path / name for name in ("lanes.a.partial", "lanes.b.partial", "notes.partial"))
    for path in (leftover, young, foreign):
        path.write_text("half")
    for path in (leftover, foreign):
        os.utime(path, (0, 0))
    train.sweep(lane, KEYS, HYPERS, checkpoints=tmp_path)
    assert not leftover.exists()
    assert young.exists()
    assert foreign.exists()


def test_wrong_options_are_named(tmp_path):
    with pytest.raises(TypeError, match="sweep: checkpoints must be the path of a directory; got 3"):
        train.sweep(lane, KEYS, HYPERS, checkpoints=3)
    with pytest.raises(ValueError, match="sweep: keys must be as many as the settings, 5, if paired; got 3"):
        train.sweep(lane, KEYS, HYPERS, paired=True)


def test_paired_lanes_are_single_runs():
    keys = jax.random.split(jax.random.key(3), 5)
    found = train.sweep(lane, keys, HYPERS, paired=True, chunk_size=2)
    for index in range(5):
        expected = jax.jit(lane)(jax.random.clone(keys[index]), jax.tree.map(lambda leaf, i=index: leaf[i], HYPERS))
        assert_equal(jax.tree.map(lambda leaf, i=index: leaf[i], found), expected)
