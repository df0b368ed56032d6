"""Restore: a writer may prune meanwhile, and histories come back in parts."""

import shutil
import threading

import numpy as np
import pytest

from jreg import train
from jreg.train._checkpoints import _folders, _history, _restore

from .test_checkpoints import restored, same, small, two_steps


@pytest.fixture
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    two_steps(folder)
    return folder


# Readers beside a writer.


# Where several arrays cannot be read, orbax looks at the error of one and leaves the others to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_reader_beside_a_pruning_writer_gets_a_whole_checkpoint(tmp_path):
    writer, done = train.Checkpoints(tmp_path, keep=1), threading.Event()
    writer.save(small(0), 0, {})

    def write():
        for step in range(1, 25):
            writer.save(small(step), step, {"loss": 1.0 / step})
        done.set()

    thread, steps = threading.Thread(target=write), []
    thread.start()
    reader = train.Checkpoints(tmp_path)
    while not done.is_set() or not steps:
        found = reader.load(small())
        assert same(found.state, small(found.step))
        steps.append(found.step)
        assert isinstance(reader.best_step, int | None)
    thread.join()
    assert steps == sorted(steps)


def test_a_listing_that_misses_what_is_renamed_meanwhile_is_made_again(tmp_path, monkeypatch):
    checkpoints, listings = train.Checkpoints(tmp_path), []
    checkpoints.save(small(3), 3, {})
    listed = _folders.listed

    def late(directory):
        listings.append(directory)
        return listed(directory) if len(listings) > 1 else {}

    monkeypatch.setattr(_folders, "listed", late)
    assert checkpoints.load(small()).step == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_checkpoint_that_goes_while_it_is_read_is_one_clear_error(tmp_path, template, monkeypatch):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    checkpoints = train.Checkpoints(tmp_path)
    original, reads = _restore.read_arrays, []

    def vanishing(folder, *arguments):
        reads.append(folder.name)
        shutil.rmtree(folder)
        return original(folder, *arguments)

    monkeypatch.setattr(_restore, "read_arrays", vanishing)
    with pytest.raises(FileNotFoundError, match=r"restore: .* must hold a checkpoint; it holds \[\]"):
        checkpoints.restore(small())
    assert reads == ["step_00000002", "step_00000001"]


# Histories.


def rows_of(count):
    return {"a": np.arange(count) / 7.0, "b": -np.arange(count, dtype=float)}


def test_a_history_comes_back_and_its_full_parts_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_history, "ROWS", 4)
    checkpoints, written = train.Checkpoints(tmp_path, keep=2), []
    for step, count in enumerate([0, 1, 4, 9, 10, 13]):
        checkpoints.save(small(), step, {}, history=rows_of(count))
        found = train.Checkpoints(tmp_path).load(small()).history
        assert set(found) == ({"a", "b"} if count else set())
        for name, values in found.items():
            np.testing.assert_array_equal(values, rows_of(count)[name])
        parts = sorted((tmp_path / f"step_{step:08d}" / "history").glob("*")) if count else []
        written.append([path.stat().st_ino for path in parts])
    assert [len(parts) for parts in written] == [0, 1, 1, 3, 3, 4]
    assert written[4][:2] == written[3][:2]
    assert written[5][:2] == written[3][:2]


def test_a_history_that_differs_is_not_mixed_with_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(_history, "ROWS", 4)
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(small(), 1, {}, history={"a": np.zeros(9)})
    checkpoints.save(small(), 2, {}, history={"a": np.ones(9)})
    assert checkpoints.load(small(), 2).history["a"].tolist() == [1.0] * 9
    assert checkpoints.load(small(), 1).history["a"].tolist() == [0.0] * 9


def test_a_damaged_history_is_damage(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(small(step), step, {}, history=rows_of(step))
    (part,) = (tmp_path / "step_00000002" / "history").glob("*")
    part.write_bytes(part.read_bytes()[:-1] + b"\x01")
    assert restored(tmp_path).step == 1


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ({"a": [1.0], "b": []}, ValueError, r"hold columns of one length; got \{'a': 1, 'b': 0\}"),
        ({"a": np.ones((2, 2))}, ValueError, r"hold columns of one axis; 'a' has shape \(2, 2\)"),
        ({"a": ["x"]}, TypeError, r"hold columns of numbers; 'a'"),
        ({3: [1.0]}, TypeError, r"have columns with names; got 3"),
    ],
)
def test_bad_histories_are_refused_before_anything_is_written(tmp_path, history, error, message):
    with pytest.raises(error, match=rf"^save: history must {message}"):
        train.Checkpoints(tmp_path / "runs").save(small(), 1, {}, history=history)
    assert not (tmp_path / "runs").exists()
