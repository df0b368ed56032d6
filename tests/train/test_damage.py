"""Damage: no crafted manifest, link or history is believed."""

import hashlib
import json
import shutil

import jax.numpy as jnp
import pytest

from jreg import train

from .test_checkpoints import restored, small, two_steps


@pytest.fixture
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    two_steps(folder)
    return folder


def crafted(folder, change):
    """Change a manifest, and give it the digest that makes it whole again."""
    path = folder / "manifest.json"
    body = json.loads(path.read_text())["manifest"]
    body = change(body) or body
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({"digest": digest, "manifest": body}))


def without(name):
    return lambda body: body.pop(name) and None


def having(**changes):
    return lambda body: body.update(changes)


CRAFTED = {
    **{f"without {name}": without(name) for name in ("format", "leaves", "files", "step", "metrics")},
    "a list": lambda body: [1],
    "a number": lambda body: 3,
    "files of a list": having(files=[]),
    "no files": having(files={}),
    "files outside": having(files={"../../secret": hashlib.sha256(b"secret").hexdigest()}),
    "an absolute file": having(files={"/etc/passwd": "0" * 64}),
    "the folder itself": having(files={".": "0" * 64}),
    "a digest of a number": having(files={"manifest.json": 3}),
    "leaves of text": having(leaves="w"),
    "short leaves": having(leaves=[["w"]]),
    "a shape of text": having(leaves=[["step", "int32", [], None], ["w", "float32", "2,3", None]]),
    "a negative shape": having(leaves=[["step", "int32", [], None], ["w", "float32", [-2, 3], None]]),
    "another order": having(leaves=[["w", "float32", [2, 3], None], ["step", "int32", [], None]]),
    "more leaves": having(
        leaves=[["step", "int32", [], None], ["w", "float32", [2, 3], None], ["x", "float32", [1], None]]
    ),
    "one path twice": having(leaves=[["w", "float32", [2, 3], None], ["w", "float32", [2, 3], None]]),
    "metrics of text": having(metrics={"loss": "low"}),
    "metrics of a list": having(metrics=[]),
    "a step of text": having(step="2"),
    "a history of text": having(history="long"),
    "a history outside": having(history={"rows": 1, "parts": ["../../secret"]}),
    "a long history": having(history={"rows": 10**15, "parts": 10**15}),
    "a negative history": having(history={"rows": -1, "parts": []}),
    "a format of text": having(format="2"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_manifest_is_damage(tmp_path, template, name):
    shutil.copytree(template, tmp_path / "runs")
    (tmp_path / "secret").write_text("secret")
    crafted(tmp_path / "runs" / "step_00000002", CRAFTED[name])
    checkpoints = train.Checkpoints(tmp_path / "runs")
    like = {**small(), "x": jnp.ones(1)} if name == "more leaves" else small()
    with pytest.raises(ValueError, match=r"restore: .*(is damaged|must match)"):
        checkpoints.restore(like, 2)
    assert checkpoints.best_step is None
    if name != "more leaves":
        assert restored(tmp_path / "runs").step == 1


@pytest.mark.parametrize(
    "text",
    ["[" * 100000, '{"manifest":' * 50000, "null", "[]", "{}", '{"digest": 1, "manifest": {}}', '"text"', "\xff"],
)
def test_what_is_no_manifest_is_damage(tmp_path, template, text):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    (tmp_path / "step_00000002" / "manifest.json").write_text(text, "latin-1")
    assert restored(tmp_path).step == 1
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(small(3), 3, {"loss": 1.0})
    assert checkpoints.best_step == 3


def test_links_inside_a_checkpoint_are_damage(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    arrays = tmp_path / "step_00000002" / "arrays"
    shutil.move(arrays, tmp_path / "moved")
    arrays.symlink_to(tmp_path / "moved")
    assert restored(tmp_path).step == 1


def test_the_format_before_this_one_is_named(tmp_path, template):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    crafted(tmp_path / "step_00000002", having(format=1))
    with pytest.raises(
        ValueError, match=r"restore: the format of .*step_00000002 must be 2; got 1, of another version"
    ):
        train.Checkpoints(tmp_path).restore(small())
