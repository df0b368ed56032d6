"""What others put into a directory of checkpoints: their folders, their locks, manifests that they crafted."""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jreg import train

from .outcome import Outcome, counted, is_state, state

NAMES = ("step_00000000", "step_00000001", "step_100", "step_00000400", "step_00000003.7.tmp", "step_00000001.1.gone")
MANIFESTS = (None, "", "{}", '{"manifest": {"format": 2}}', '{"version": 1, "files": []}')
LOCKS = ("a file", "a link", "a link to nothing", "a folder", "a pipe")


def folders(count: int) -> Outcome:
    """Save beside folders that look like checkpoints and are none, with the first `count` of the manifests."""
    results = Counter(_beside(name, manifest) for name in NAMES for manifest in MANIFESTS[:count])
    return counted("saves and prunings beside folders of other programs", results, "the others' files")


def _beside(name: str, manifest: str | None) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        other = Path(temporary) / name
        other.mkdir()
        (other / "weights.bin").write_bytes(b"precious")
        if manifest is not None:
            (other / "manifest.json").write_text(manifest)
        before = _content(other)
        checkpoints = train.Checkpoints(temporary, keep=1)
        for step in (2, 3):
            checkpoints.save(state(step), step, {})
        is_whole = is_state(checkpoints.restore(state(0), 3), 3)
        return "recovered: unchanged" if is_whole and _content(other) == before else f"lost: {name} changed"


def locks() -> Outcome:
    """The lock's name is taken by something else, or is a link to a file that matters."""
    results = Counter(_locked(kind) for kind in LOCKS)
    return counted("the lock is a file of someone else, a link, a folder, a pipe", results, "the save")


def _locked(kind: str) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        lock, target = Path(temporary, "lock"), Path(temporary, "target")
        if kind == "a link":
            target.write_bytes(b"precious")
        make: dict[str, Callable[[], Any]] = {
            "a file": lambda: lock.write_bytes(b"precious"),
            "a folder": lock.mkdir,
            "a pipe": lambda: os.mkfifo(lock),
        }
        make.get(kind, lambda: lock.symlink_to(target))()
        before = _content(Path(temporary))
        try:
            train.Checkpoints(temporary).save(state(1), 1, {})
        except ValueError as error:
            refused = "must be free or the lock of Checkpoints" in str(error)
        else:
            refused = False
        is_same = _content(Path(temporary)) == before
        return "recovered: refused, nothing changed" if refused and is_same else f"lost: {kind}"


def crafted() -> Outcome:
    """Manifests that are whole by their own digest, and are not ours."""
    results = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        checkpoints = train.Checkpoints(Path(temporary) / "runs")
        (Path(temporary) / "secret").write_text("secret")
        for step in (1, 2):
            checkpoints.save(state(step), step, {})
        path = checkpoints.directory / "step_00000002" / "manifest.json"
        whole = path.read_text()
        for text in _manifests(json.loads(whole)["manifest"]):
            path.write_text(text)
            results[_read(checkpoints)] += 1
        path.write_text(whole)
        shutil.move(path.parent / "arrays", Path(temporary) / "arrays")
        (path.parent / "arrays").symlink_to(Path(temporary) / "arrays")
        results[_read(checkpoints)] += 1
    return counted(
        "manifests crafted, nested or reaching outside their folder", results, "the checkpoint then restored"
    )


def _read(checkpoints: train.Checkpoints) -> str:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = train.Checkpoints(checkpoints.directory).load(state(0))
        except Exception as error:
            return f"lost: {type(error).__name__}"
    is_right = is_state(found.state, 1) and found.step == 1 and said
    return "recovered: the one before, with a warning" if is_right else "wrong"


def _manifests(body: dict[str, Any]) -> list[str]:
    secret = hashlib.sha256(b"secret").hexdigest()
    changes: list[dict[str, Any]] = [
        {"files": {}},
        {"files": {**body["files"], "../../secret": secret}},
        {"files": {**body["files"], "/etc/passwd": secret}},
        {"files": {**body["files"], "arrays/../../secret": secret}},
        {"files": [["arrays", secret]]},
        {"leaves": [leaf[:2] for leaf in body["leaves"]]},
        {"leaves": body["leaves"][::-1]},
        {"leaves": 3},
        {"metrics": {"loss": "low"}},
        {"history": {"rows": 10**15, "parts": 10**15}},
        {"step": "2"},
        {"format": None},
    ]
    bodies: list[Any] = [{**body, **change} for change in changes]
    bodies += [{name: value for name, value in body.items() if name != gone} for gone in body if gone != "jax"]
    return [*map(_with_digest, [*bodies, [], None, 3, "text"]), "[" * 100000, '{"manifest":' * 50000, "null", "{}"]


def _with_digest(body: Any) -> str:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({"digest": digest, "manifest": body})


def _content(folder: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }
