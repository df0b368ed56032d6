"""What was saved comes back bit for bit, or an error does: never something else."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from math import inf, nan
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import random, train
from jreg.train._checkpoints import _files, _folders, _manifest

KEY = jax.random.key(7)


class Pair(NamedTuple):
    first: object
    second: object


def small(value=1.0):
    return {"w": jnp.full((2, 3), value, jnp.float32), "step": jnp.int32(value)}


def varied():
    return {
        "bfloat16": jnp.arange(5, dtype=jnp.bfloat16) / 3,
        "float8": jnp.arange(5.0).astype(jnp.float8_e4m3fn),
        "float16": jnp.full((2, 1), 0.1, jnp.float16),
        "int4": jnp.arange(3).astype(jnp.int4),
        "bool": jnp.array([True, False]),
        "complex": jnp.array([1.0 + 2.0j]),
        "not finite": jnp.array([jnp.nan, jnp.inf, -0.0, 1e-45]),
        "scalar": jnp.float32(0.1),
        "empty": jnp.zeros((0, 3), jnp.bfloat16),
        "numpy": np.arange(3.0),
        "numpy scalar": np.float64(0.1),
        "python": [True, 2**70, 0.1, nan, -inf],
        "none": None,
        "pair": Pair(jnp.ones(2), (None, jnp.int32(3))),
        "default key": KEY,
        "rbg keys": jax.random.split(jax.random.key(1, impl="rbg"), 2),
        "hash key": jax.random.key(2, impl=random.hash_prng),
        "legacy key": jax.random.key_data(KEY),
        "weird / name": {"a.b": {3: jnp.ones(1), 20: jnp.zeros(1)}},
    }


def bits(leaf):
    if type(leaf) in (bool, int, float):
        return repr(leaf)
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return (str(leaf.dtype), leaf.shape, np.asarray(jax.random.key_data(leaf)).tobytes())
    return (str(np.asarray(leaf).dtype), np.shape(leaf), np.asarray(leaf).tobytes())


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and list(map(bits, jax.tree.leaves(a))) == list(
        map(bits, jax.tree.leaves(b))
    )


def two_steps(folder):
    checkpoints = train.Checkpoints(folder)
    for step in (1, 2):
        checkpoints.save(small(step), step, {})
    return checkpoints


def files_of(checkpoints, step):
    folder = checkpoints.directory / f"step_{step:08d}"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def restored(folder):
    """The step that a new process would find, silently or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train.Checkpoints(folder).load(small())


@pytest.fixture
def template(tmp_path_factory):
    """Two saved steps, to be copied: saving is what takes time."""
    folder = tmp_path_factory.mktemp("template")
    two_steps(folder)
    return folder


# The round trip.


def test_every_kind_of_leaf_comes_back(tmp_path):
    checkpoints, state = train.Checkpoints(tmp_path), varied()
    checkpoints.save(state, 3, {})
    found = checkpoints.restore(state)
    assert same(found, state)
    for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(state), strict=True):
        assert type(got) is type(expected)
    assert same(random.split(found["hash key"])[0], random.split(state["hash key"])[0])


def test_a_template_may_be_abstract(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    state = {name: leaf for name, leaf in varied().items() if name not in ("numpy", "numpy scalar", "python")}
    checkpoints.save(state, 3, {})
    found = checkpoints.restore(jax.eval_shape(lambda: state))
    assert same(found, state)


def test_a_state_of_optax_has_its_types_again(tmp_path):  # google/jax#3759, flax#4423
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9)
    state = train.init_state({"w": jnp.ones(3)}, optimizer)
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(state, state.step, {})
    found = checkpoints.restore(jax.tree.map(jnp.zeros_like, state))
    assert same(found, state)
    optimizer.update({"w": jnp.ones(3)}, found.opt_state, found.params)


def test_the_trees_of_equinox_and_haiku_come_back(tmp_path):
    import equinox as eqx
    import haiku as hk

    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    arrays = eqx.filter(model, eqx.is_array)
    params = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(2)(x))).init(jax.random.key(0), jnp.ones((1, 3)))
    for number, tree in enumerate((arrays, params)):
        checkpoints = train.Checkpoints(tmp_path / str(number))
        checkpoints.save(tree, 1, {})
        found = checkpoints.restore(jax.tree.map(jnp.zeros_like, tree))
        assert jax.tree.structure(found) == jax.tree.structure(tree)
        jax.tree.map(np.testing.assert_array_equal, found, tree)


def test_metrics_and_notes_come_back(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(small(), np.int64(4), {"loss": jnp.float32(0.1), "accuracy": nan}, notes={"epoch": [1, None]})
    found = checkpoints.load(small(0.0))
    assert (found.step, found.notes) == (4, {"epoch": [1, None]})
    assert found.metrics["loss"] == float(np.float32(0.1))
    assert np.isnan(found.metrics["accuracy"])


def test_a_subtree_is_restored_alone(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    state = train.init_state({"w": jnp.ones(3), "wide": jnp.zeros(2)}, optax.sgd(0.1, momentum=0.9))
    checkpoints.save({"state": state}, 1, {})
    assert same(checkpoints.restore(state.params, at="state/params"), state.params)
    assert same(checkpoints.restore(jnp.zeros(3), at="state/params/w"), jnp.ones(3))
    with pytest.raises(ValueError, match="only in the template: w"):
        checkpoints.restore({"w": jnp.zeros(3)}, at="state/param")


def test_what_is_donated_after_the_save_was_saved(tmp_path):  # google/orbax#626
    checkpoints, state = train.Checkpoints(tmp_path), small(3)
    checkpoints.save(state, 1, {})
    jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf * 0, tree), donate_argnums=0)(state)
    assert same(checkpoints.restore(small()), small(3))


def test_leaves_go_to_the_devices_of_the_template(tmp_path):
    mesh = Mesh(np.array(jax.devices()), ("data",))
    sharded = NamedSharding(mesh, PartitionSpec("data"))
    values = jnp.arange(16.0)
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save({"w": jax.device_put(values, sharded)}, 1, {})
    second = jax.sharding.SingleDeviceSharding(jax.devices()[1])
    for sharding in (sharded, second, NamedSharding(mesh, PartitionSpec())):
        for like in (jax.device_put(values * 0, sharding), jax.ShapeDtypeStruct((16,), "float32", sharding=sharding)):
            found = checkpoints.restore({"w": like})["w"]
            assert found.sharding == sharding
            np.testing.assert_array_equal(found, values)
    free = checkpoints.restore({"w": values})["w"]
    assert not free.committed


def test_a_relative_path_and_a_link_are_one_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink(tmp_path / "runs", tmp_path / "link")
    os.mkdir("runs")
    checkpoints = train.Checkpoints("runs/first")
    monkeypatch.chdir("/")
    checkpoints.save(small(5), 1, {})
    assert same(train.Checkpoints(tmp_path / "link" / "first").restore(small()), small(5))


# What does not fit the template.

OTHERS = {
    "missing": (lambda s: {**s, "bias": jnp.ones(1)}, "only in the template: bias"),
    "extra": (lambda s: {"w": s["w"]}, "only in the checkpoint: step"),
    "renamed": (lambda s: {"kernel": s["w"], "step": s["step"]}, "only in the template: kernel"),
    "transposed": (lambda s: {**s, "w": s["w"].T}, r"w: saved float32\[2, 3\], the template has float32\[3, 2\]"),
    "narrower": (lambda s: {**s, "w": s["w"].astype(jnp.int8)}, r"w: saved float32\[2, 3\], the template has int8"),
    "none": (lambda s: {**s, "w": None}, r"w: saved float32\[2, 3\], the template has None"),
    "a Python number": (lambda s: {**s, "step": 1}, r"step: saved int32\[\], the template has Python int"),
    "deeper": (lambda s: {**s, "w": [s["w"]]}, "only in the template: w/0"),
}


def test_every_mismatch_raises_with_its_path(tmp_path):  # google/orbax: a target of int8 wraps floats silently
    checkpoints = two_steps(tmp_path)
    for change, message in OTHERS.values():
        with pytest.raises(ValueError, match=r"restore: template must match the checkpoint of step 2") as raised:
            checkpoints.restore(change(small()))
        assert re.search(message, str(raised.value))


def test_another_optimizer_or_key_does_not_fit(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    params = {"w": jnp.ones(3)}
    checkpoints.save((train.init_state(params, optax.sgd(0.1, momentum=0.9)), KEY), 1, {})
    with pytest.raises(ValueError, match="only in the checkpoint: 0/opt_state/0/trace/w"):
        checkpoints.restore((train.init_state(params, optax.sgd(0.1)), KEY))
    other = jax.random.key(0, impl=random.hash_prng)
    with pytest.raises(ValueError, match=r"1: saved key<fry>\[\], the template has key<jreg_hash>"):
        checkpoints.restore((train.init_state(params, optax.sgd(0.1, momentum=0.9)), other))


@pytest.mark.parametrize("leaf", ["text", jnp.sin, 1j], ids=["text", "function", "complex"])
def test_what_cannot_be_stored_is_named(tmp_path, leaf):
    with pytest.raises(TypeError, match="the state must hold arrays, numbers and None; at a/0 it has"):
        train.Checkpoints(tmp_path).save({"a": [leaf]}, 1, {})


def test_leaves_with_one_path_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the paths of the state must differ; two leaves are at a/b"):
        train.Checkpoints(tmp_path).save({"a": {"b": jnp.ones(1)}, "a/b": jnp.zeros(1)}, 1, {})


# Which are kept.


def test_the_latest_and_the_best_are_kept(tmp_path):  # google/orbax#526: the newest was dropped
    checkpoints = train.Checkpoints(tmp_path, keep=2)
    for step, loss in enumerate([0.5, 0.1, 0.2, nan, 0.3]):
        checkpoints.save(small(step), step, {"loss": loss})
        assert checkpoints.latest_step == step
    assert (checkpoints.steps, checkpoints.best_step) == ((1, 3, 4), 1)
    assert same(checkpoints.restore(small(), 1), small(1))
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "step_00000001", "step_00000003", "step_00000004"}


def test_the_best_may_be_the_highest_and_nan_is_never_best(tmp_path):
    checkpoints = train.Checkpoints(tmp_path, monitor="accuracy", mode="max")
    for step, accuracy in enumerate([nan, 0.5, 0.1]):
        checkpoints.save(small(), step, {"accuracy": accuracy})
    checkpoints.save(small(), 3, {})
    assert checkpoints.best_step == 1
    assert train.Checkpoints(tmp_path / "none").best_step is None


def test_a_step_before_the_latest_is_refused(tmp_path, template):  # orbax returns False and saves nothing
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    with pytest.raises(ValueError, match=r"save: step must be at least 2, the latest in .*; got 1"):
        train.Checkpoints(tmp_path).save(small(), 1, {})
    assert restored(tmp_path).step == 2


def test_the_latest_step_may_be_replaced(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(small(9), 2, {"loss": 1.0})
    assert checkpoints.steps == (1, 2)
    assert same(checkpoints.restore(small()), small(9))


def test_a_replacement_killed_after_its_last_deletion_is_finished_by_the_next_save(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    (tmp_path / "step_00000002.replaced").mkdir()
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(small(7), 2, {})
    assert same(checkpoints.restore(small()), small(7))
    assert not (tmp_path / "step_00000002.replaced").exists()


def test_a_metric_that_is_monitored_must_be_there(tmp_path):
    with pytest.raises(ValueError, match=r"save: metrics must hold 'loss', which is monitored; got \['error'\]"):
        train.Checkpoints(tmp_path).save(small(), 1, {"error": 1.0})


@pytest.mark.parametrize(("options", "error"), [({"keep": 0}, ValueError), ({"mode": "auto"}, ValueError)])
def test_bad_options_are_refused(tmp_path, options, error):
    with pytest.raises(error, match=r"^Checkpoints: (keep|mode) must be"):
        train.Checkpoints(tmp_path, **options)


@pytest.mark.parametrize(("step", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError), (None, TypeError)])
def test_bad_steps_are_refused(tmp_path, step, error):
    with pytest.raises(error, match=r"^save: step must be"):
        train.Checkpoints(tmp_path).save(small(), step, {})


def test_nothing_to_restore_is_an_error(tmp_path, template):
    with pytest.raises(FileNotFoundError, match="must hold a checkpoint"):
        train.Checkpoints(tmp_path / "none").restore(small())
    with pytest.raises(FileNotFoundError, match=r"must hold step 5; it holds \[1, 2\]"):
        train.Checkpoints(template).restore(small(), 5)


# Damage.


def test_a_flipped_bit_is_never_restored(tmp_path, template):  # orbax alone: 6 of 60 were restored silently
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    generator = np.random.default_rng(0)
    for path in files_of(train.Checkpoints(tmp_path), 2):
        whole = path.read_bytes()
        for position in generator.integers(8 * len(whole), size=4):
            flipped = bytearray(whole)
            flipped[position // 8] ^= 1 << (position % 8)
            path.write_bytes(flipped)
            assert same(restored(tmp_path).state, small(1)), (path, position)
        for length in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert same(restored(tmp_path).state, small(1)), (path, length)
        path.unlink()
        assert same(restored(tmp_path).state, small(1)), path
        path.write_bytes(whole)
    assert same(restored(tmp_path).state, small(2))


def test_files_of_another_step_are_noticed(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    first, second = tmp_path / "step_00000001", tmp_path / "step_00000002"
    shutil.rmtree(second / "arrays")
    shutil.copytree(first / "arrays", second / "arrays")
    assert restored(tmp_path).step == 1
    shutil.rmtree(second)
    shutil.copytree(first, second)
    with pytest.raises(ValueError, match=r"every checkpoint asked for is damaged. step 2: .* holds step 1"):
        train.Checkpoints(tmp_path).restore(small(), 2)


def test_falling_back_says_so_and_the_run_goes_on_from_there(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    checkpoints = train.Checkpoints(tmp_path)
    (tmp_path / "step_00000002" / "manifest.json").write_text("{")
    with pytest.warns(UserWarning, match=r"took step 1, since later ones are damaged. step 2: .*manifest.json cannot"):
        assert same(checkpoints.restore(small()), small(1))
    checkpoints.save(small(8), 2, {})
    assert list(tmp_path.glob("step_00000002.*.damaged"))
    assert checkpoints.steps == (1, 2)
    assert same(checkpoints.restore(small()), small(8))


def test_a_format_of_the_future_is_no_damage(tmp_path, template, monkeypatch):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(_manifest, "FORMAT", 3)
    with pytest.raises(ValueError, match=r"restore: the format of .*step_00000002 must be 3; got 2"):
        train.Checkpoints(tmp_path).restore(small())


# Faults while saving.


class Killed(BaseException):
    """Passes every handler of errors, as a kill does."""


class FaultyCalls:
    """A module whose n-th call of a function that changes files is never made."""

    def __init__(self, module, names, count):
        self.module, self.names, self.count = module, names, count

    def __getattr__(self, name):
        original = getattr(self.module, name)
        if name not in self.names:
            return original

        def call(*args, **options):
            self.count[0] -= 1
            if self.count[0] == 0:
                raise Killed
            return original(*args, **options)

        return call


def test_killed_at_any_operation_one_whole_checkpoint_is_left(tmp_path, template, monkeypatch):
    """Lightning#688, #1150, keras#20463: a save that is not atomic, the old one deleted before the new one is safe."""
    count = [0]
    for module in (_files, _manifest, _folders):
        monkeypatch.setattr(module, "os", FaultyCalls(os, ("rename", "fsync", "open"), count))
    monkeypatch.setattr(_folders, "shutil", FaultyCalls(shutil, ("rmtree",), count))
    outcomes = set()
    for kill in range(1, 100):
        folder = tmp_path / str(kill)
        shutil.copytree(template, folder)
        count[0] = kill
        try:
            train.Checkpoints(folder, keep=1).save(small(7), 2, {})
        except Killed:
            pass
        else:
            break
        count[0] = 0
        found = restored(folder)
        assert same(found.state, small(7) if bits(found.state["step"]) == bits(jnp.int32(7)) else small(2))
        outcomes.add(int(found.state["step"]))
        if kill % 5 == 0:
            train.Checkpoints(folder, keep=1).save(small(8), 3, {})
            assert {path.name for path in folder.iterdir()} == {"lock", "step_00000003"}
            assert same(restored(folder).state, small(8))
    assert kill > 15
    assert outcomes == {2, 7}


def test_an_error_names_step_and_directory_and_leaves_nothing(tmp_path, template, monkeypatch):
    """google/orbax#605, maxtext#5260: a step was listed though its commit had failed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    checkpoints = train.Checkpoints(tmp_path)

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_space)
        for _ in range(3):
            with pytest.raises(OSError, match=rf"save: step 3 could not be written to {tmp_path}: .*No space left"):
                checkpoints.save(small(3), 3, {})
            assert checkpoints.steps == (1, 2)
            assert not list(tmp_path.glob("*.tmp"))
    checkpoints.save(small(3), 3, {})
    assert same(restored(tmp_path).state, small(3))


def test_one_directory_has_one_writer(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    code = (
        "import sys, pathlib; from jreg.train._checkpoints._lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(train.__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=rf"must have one writer; process {holder.pid} on \S+ is writing"):
            train.Checkpoints(tmp_path).save(small(), 3, {})
        assert restored(tmp_path).step == 2
        holder.kill()
    train.Checkpoints(tmp_path).save(small(3), 3, {})
    assert restored(tmp_path).step == 3


def test_the_manifest_tells_what_is_in_the_files(template):
    record = json.loads((template / "step_00000002" / "manifest.json").read_text())["manifest"]
    assert (record["format"], record["step"], record["jax"]) == (2, 2, jax.__version__)
    assert record["leaves"] == [["step", "int32", [], None], ["w", "float32", [2, 3], None]]
    assert all(name.startswith("arrays/") or name == "jreg_checkpoint" for name in record["files"])
    assert all(len(digest) == 64 for digest in record["files"].values())
