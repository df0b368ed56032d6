"""A directory of checkpoints beside what others keep there: theirs stays, and what is saved can be read."""

import enum
import os
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import train

from .test_checkpoints import same, small, two_steps


@pytest.fixture
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    two_steps(folder)
    return folder


def content_of(folder):
    """Every file and link below a folder, with what it holds."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
        for path in folder.rglob("*")
    }


# What is not ours.


@pytest.mark.parametrize("manifest", [None, "{}", '{"manifest": {"format": 3}}', "text"])
@pytest.mark.parametrize("name", ["step_00000000", "step_00000001", "step_100", "step_00000003.7.tmp", "step_9.gone"])
def test_folders_of_other_programs_are_never_touched(tmp_path, name, manifest):
    other = tmp_path / name
    other.mkdir()
    (other / "weights.bin").write_bytes(b"precious")
    if manifest is not None:
        (other / "manifest.json").write_text(manifest)
    before = content_of(other)
    checkpoints = train.Checkpoints(tmp_path, keep=1)
    for step in (2, 3, 4):
        checkpoints.save(small(step), step, {"loss": 1.0 / step})
    assert content_of(other) == before
    assert same(checkpoints.restore(small(), 4), small(4))


def test_later_folders_of_other_programs_neither_block_a_save_nor_go(tmp_path):
    other = tmp_path / "step_00000400"
    other.mkdir()
    (other / "weights.bin").write_bytes(b"precious")
    checkpoints = train.Checkpoints(tmp_path, keep=1)
    checkpoints.save(small(1), 1, {})
    assert same(checkpoints.restore(small()), small(1))
    checkpoints.save(small(2), 2, {})
    assert content_of(other) == {"weights.bin": b"precious"}
    with pytest.raises(ValueError, match=r"^save: .*step_00000400 must be free or a checkpoint; it is something else"):
        checkpoints.save(small(400), 400, {})
    assert content_of(other) == {"weights.bin": b"precious"}
    assert not list(tmp_path.glob("*.tmp"))


def test_what_was_set_aside_stays(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    aside = tmp_path / "step_00000002.damaged"
    aside.mkdir()
    (aside / "file").write_text("precious")
    (tmp_path / "step_00000002" / "manifest.json").write_text("{")
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.warns(UserWarning, match="took step 1"):
        checkpoints.restore(small())
    checkpoints.save(small(2), 2, {})
    assert content_of(aside) == {"file": b"precious"}
    assert len(list(tmp_path.glob("step_00000002*.damaged"))) == 2


def test_a_link_is_read_as_its_folder_and_left_alone(tmp_path, template):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(template / "step_00000002", elsewhere)
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "step_00000002").symlink_to(elsewhere)
    before = content_of(elsewhere)
    checkpoints = train.Checkpoints(folder, keep=1)
    assert same(checkpoints.restore(small()), small(2))
    with pytest.raises(ValueError, match=r"^save: .*step_00000002 must be free or a checkpoint; it is a link"):
        checkpoints.save(small(2), 2, {})
    for step in (3, 4):
        checkpoints.save(small(step), step, {})
    assert checkpoints.steps == (2, 4)
    assert (folder / "step_00000002").is_symlink()
    (elsewhere / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        checkpoints.restore(small(), 2)
    checkpoints.save(small(5), 5, {})
    assert (folder / "step_00000002").is_symlink()
    assert before.keys() == content_of(elsewhere).keys()


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing", "folder", "pipe"])
def test_a_lock_that_is_not_ours_is_refused_unchanged(tmp_path, kind):
    lock, target = tmp_path / "lock", tmp_path / "target"
    if kind == "file":
        lock.write_text("precious")
    elif kind == "link":
        target.write_text("precious")
        lock.symlink_to(target)
    elif kind == "link to nothing":
        lock.symlink_to(target)
    elif kind == "folder":
        lock.mkdir()
    else:
        os.mkfifo(lock)
    with pytest.raises(ValueError, match=r"^Checkpoints: .*lock must be free or the lock of Checkpoints; got"):
        train.Checkpoints(tmp_path).save(small(), 1, {})
    if kind in ("file", "link"):
        assert lock.read_text() == "precious"
    assert target.exists() == (kind == "link")
    assert train.Checkpoints(tmp_path).steps == ()


# What can be saved can be read.


class Level(enum.IntEnum):
    HIGH = 3


CYCLE = []
CYCLE.append(CYCLE)
DEEP = 1
for _ in range(200):
    DEEP = [DEEP]

BAD_NOTES = {
    "keys of ints": ({9: "a", 10: "b"}, TypeError, r"names; at the root it has the key 9"),
    "a tuple": ({"a": [(1, 2)]}, TypeError, r"at a/0 it has \(1, 2\)"),
    "an array": ({"a": np.ones(1)}, TypeError, r"at a it has array"),
    "a number of numpy": ([np.float64(0.5)], TypeError, r"at 0 it has np.float64"),
    "an enum": ([Level.HIGH], TypeError, r"at 0 it has <Level.HIGH"),
    "a set": ({"a": {1}}, TypeError, r"at a it has \{1\}"),
    "bytes": (b"a", TypeError, r"at the root it has b'a'"),
    "itself": (CYCLE, ValueError, r"at most 100 levels deep"),
    "too deep": (DEEP, ValueError, r"at most 100 levels deep"),
    "half characters": ({"a": "\ud83d"}, ValueError, r"at a it has '\\ud83d'"),
    "half a name": ({"\ud83d": 1}, ValueError, r"the key '\\ud83d'"),
    "a huge number": ([10**5000], ValueError, r"at 0 it has a number of 16610 bits"),
}


@pytest.mark.parametrize("name", BAD_NOTES)
def test_notes_that_would_not_come_back_are_refused_before_anything_is_written(tmp_path, name):
    notes, error, message = BAD_NOTES[name]
    with pytest.raises(error, match=rf"^save: notes must .*{message}"):
        train.Checkpoints(tmp_path / "runs").save(small(), 1, {}, notes=notes)
    assert not (tmp_path / "runs").exists()


def test_notes_come_back_with_their_types(tmp_path):
    notes = {"a": [1, 1.0, True, None, "é\n\x00😀", 2**70, -0.0, float("inf")], "": {"9": 1, "10": 2}}
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(small(), 1, {}, notes=notes)
    assert repr(checkpoints.load(small()).notes) == repr(notes)


@pytest.mark.parametrize(
    ("leaf", "error"),
    [
        (np.ma.masked_array([1.0, 2.0], [True, False]), TypeError),
        (np.ma.masked, TypeError),
        (np.array(["a"]), TypeError),
        (np.array(["2020"], "M8[D]"), TypeError),
        (np.zeros(2, [("a", "f4")]), TypeError),
        (np.zeros(2, np.longdouble), TypeError),
        (np.zeros(2, ">f4"), TypeError),
        (10**5000, ValueError),
    ],
    ids=["masked", "a masked number", "text", "dates", "records", "long doubles", "big-endian", "a huge number"],
)
def test_leaves_that_would_not_come_back_are_refused_before_anything_is_written(tmp_path, leaf, error):
    with pytest.raises(error, match=r"^Checkpoints: the state must .*; at a/0 it has"):
        train.Checkpoints(tmp_path / "runs").save({"a": [leaf]}, 1, {})
    assert not (tmp_path / "runs").exists()


def test_metrics_are_numbers(tmp_path):
    for value in ("low", [1.0], None, jnp.ones(2), 1j):
        with pytest.raises(TypeError, match=r"^save: metrics must be numbers; 'loss' is"):
            train.Checkpoints(tmp_path / "runs").save(small(), 1, {"loss": value})
    with pytest.raises(TypeError, match=r"^save: metrics must have names; got 3"):
        train.Checkpoints(tmp_path / "runs").save(small(), 1, {"loss": 1.0, 3: 1.0})
    assert not (tmp_path / "runs").exists()


def test_an_error_that_is_not_of_the_disk_keeps_its_type(tmp_path):
    checkpoints, state = train.Checkpoints(tmp_path), small()
    state["w"].delete()
    with pytest.raises(RuntimeError, match="deleted"):
        checkpoints.save(state, 1, {})
    assert not list(tmp_path.glob("step*"))


def test_float64_is_never_restored_as_float32(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    with jax.enable_x64(True):
        state = {"w": jnp.full(3, 0.1)}
        checkpoints.save(state, 1, {})
        assert same(checkpoints.restore(state), state)
    assert jax.ShapeDtypeStruct((3,), jnp.dtype("float64")).dtype == np.float64
    for like in (jax.ShapeDtypeStruct((3,), jnp.dtype("float64")), state["w"]):
        with pytest.raises(ValueError, match=r"restore: template must .*jax_enable_x64.* at w .*float64"):
            checkpoints.restore({"w": like})
    assert checkpoints.restore({"w": np.zeros(3)})["w"].dtype == np.float64


# Two writers.


def test_two_checkpoints_of_one_process_are_two_writers(tmp_path):
    first, second = train.Checkpoints(tmp_path), train.Checkpoints(tmp_path)
    with first.writing():
        first.save(small(1), 1, {})
        with pytest.raises(BlockingIOError, match=rf"must have one writer; process {os.getpid()} .* is writing"):
            second.save(small(2), 2, {})
    second.save(small(2), 2, {})


def test_two_threads_are_two_writers_also_by_another_path(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    checkpoints, raised = train.Checkpoints(tmp_path / "runs"), []

    def other(which):
        try:
            which.save(small(2), 2, {})
        except BlockingIOError as error:
            raised.append(error)

    with checkpoints.writing():
        for which in (checkpoints, train.Checkpoints(tmp_path / "link")):
            thread = threading.Thread(target=other, args=(which,))
            thread.start()
            thread.join()
        checkpoints.save(small(1), 1, {})
    assert len(raised) == 2
    assert checkpoints.steps == (1,)
