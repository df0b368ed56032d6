"""The templates run as they stand, in their quick form, and the README of the examples lists every one."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from examples import (
    fine_tune,
    l1_path,
    lstm,
    nnx_cnn,
    nnx_transformer,
    plain_jax,
    sharded,
    text_classes,
    tones,
)

EXAMPLES = Path(plain_jax.__file__).parent
README = (EXAMPLES / "README.md").read_text()


@pytest.fixture(autouse=True)
def _as_users_have_it():
    # optax.adam and flax rely on implicit promotion, and the templates on broadcasting.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize(
    ("example", "chance"),
    [
        (plain_jax, 0.5),
        pytest.param(nnx_cnn, 0.1, marks=pytest.mark.thorough),
        pytest.param(fine_tune, 0.2, marks=pytest.mark.thorough),
        pytest.param(tones, 0.125, marks=pytest.mark.thorough),
        pytest.param(text_classes, 0.2, marks=pytest.mark.thorough),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_template_learns_with_every_recipe(example, chance, capsys):
    table = example.main(["--quick"])
    assert table.num_seeds == 2
    assert table.settings["recipe"].shape == (len(example.RECIPES),)
    scores = table.means["test"]
    assert ((scores > 0) & (scores <= 1)).all()
    assert scores.max() > chance
    assert str(table) in capsys.readouterr().out


@pytest.mark.thorough
@pytest.mark.parametrize("example", [lstm, nnx_transformer], ids=lambda example: example.__name__)
def test_the_language_model_learns_with_every_recipe(example, capsys):
    table = example.main(["--quick"])
    assert list(table.settings["recipe"]) == list(example.RECIPES)
    assert (table.means["test"] < np.log2(128)).all()
    assert str(table) in capsys.readouterr().out


def test_the_path_is_that_of_scikit_learn(tmp_path, capsys):
    found = l1_path.main(["--quick", "--out", str(tmp_path)])
    # In few steps the two larger strengths converge.
    weights, peer = found["weights"][-2:], found["peer"][-2:]
    np.testing.assert_allclose(weights, peer, atol=1e-4)
    np.testing.assert_array_equal(weights != 0, peer != 0)
    assert np.all(found["weights"][0] != 0)
    assert (tmp_path / "l1_path.png").read_bytes().startswith(b"\x89PNG")
    assert "Validation chose 0.0" in capsys.readouterr().out


def test_every_mesh_draws_the_same_mask_and_makes_the_same_run(capsys):
    alone, *others = sharded.main(["--quick"]).values()
    assert alone["mask"].shape == (sharded.BATCH_SIZE, sharded.WIDTH)
    assert 0.25 < np.mean(alone["mask"] == 0) < 0.35
    assert len({one["shard"] for one in (alone, *others)}) == 3
    for one in others:
        np.testing.assert_array_equal(one["mask"], alone["mask"])
        np.testing.assert_allclose(one["losses"], alone["losses"], rtol=1e-5)
        assert one["collectives"] == 0
    assert "bit for bit: True" in capsys.readouterr().out


def test_no_text_is_both_learned_and_tested():
    for example in (lstm, nnx_transformer):
        modules = [module for part in example.MODULES.values() for module in part]
        assert len(modules) == len(set(modules))
    texts = [tuple(words) for words, _, _ in text_classes.docstrings()]
    assert len(texts) == len(set(texts)) > 1000


def test_the_words_of_tones_differ_in_order_alone():
    sounds, words = tones.spoken(np.random.default_rng(0), 64)
    assert np.bincount(words).tolist() == [8] * tones.NUM_WORDS
    spectrograms = np.asarray(tones.spectrogram(sounds))
    assert spectrograms.shape[::2] == (64, tones.NUM_BINS)
    np.testing.assert_allclose([spectrograms.mean(), spectrograms.std()], [0, 1], atol=1e-3)


def test_the_readme_lists_every_example():
    files = {path.stem for path in EXAMPLES.glob("*.py")} | {
        path.parent.name for path in EXAMPLES.glob("*/__main__.py")
    }
    programs = {name for name in files if "__main__" in source_of(name)}
    listed = set(re.findall(r"`python -m examples\.(\w+)", README))
    assert programs <= listed
    assert all(source_of(name) for name in listed)
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (EXAMPLES / link).exists(), link


def source_of(name: str) -> str:
    folder = EXAMPLES / name
    return (folder / "__main__.py" if folder.is_dir() else folder.with_suffix(".py")).read_text()
