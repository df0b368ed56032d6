"""The pictures of what each noise drops: a row per noise, and in it the structure that the noise promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot

from jreg import diagnose, noise
from jreg.diagnose._plots._masks import NOISES

KEY = jax.random.key(2)
SHAPE = (4, 6, 6, 2)


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def panels(axes, shape=SHAPE):
    """(noises, examples, channels, height, width), with the frames cut off."""
    examples, height, width, channels = shape
    picture = np.ma.filled(axes.images[0].get_array(), np.nan)
    framed = picture.reshape(-1, height + 2, examples, channels, width + 2).transpose(0, 2, 3, 1, 4)
    assert np.isnan(framed[..., 0, :]).all()
    return framed[..., 1:-1, 1:-1]


def test_every_noise_that_drops_has_a_row_with_its_structure(tmp_path):
    axes = diagnose.plot_masks(KEY, 0.5, shape=SHAPE)
    names = [label.get_text().split("\n")[0] for label in axes.get_yticklabels()]
    assert names == [name.split("\n")[0] for name in NOISES]
    row = dict(zip(names, panels(axes), strict=True))
    for name, values in row.items():
        assert values.min() >= 0.0, name
        assert values.max() <= 1.0, name
    for name in ("dropout", "alpha_dropout", "zoneout", "dropconnect"):
        assert set(np.unique(row[name])) == {0.0, 1.0}
        assert 0.3 < row[name].mean() < 0.7
    assert np.ptp(row["spatial_dropout"], axis=(2, 3)).max() == 0
    assert np.ptp(row["variational_dropout"], axis=2).max() == 0
    assert np.ptp(row["patch_dropout"], axis=1).max() == 0
    for name in ("stochastic_depth", "shakedrop"):
        assert np.ptp(row[name], axis=(1, 2, 3)).max() == 0
    assert np.ptp(row["stochastic_depth"]) > 0
    axes.figure.savefig(tmp_path / "masks.png")
    assert (tmp_path / "masks.png").stat().st_size > 5000


def test_a_row_is_what_the_noise_does_to_ones():
    axes = diagnose.plot_masks(KEY, 0.25, noises={"one": noise.dropout, "other": noise.dropout}, shape=SHAPE)
    keys = jax.random.split(KEY)
    for shown, key in zip(panels(axes), keys, strict=True):
        kept = np.asarray(noise.dropout(key, jnp.ones(SHAPE), 0.25)) > 0
        np.testing.assert_array_equal(shown, kept.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("key", "rate", "shade"), [(None, 0.5, 1.0), (KEY, 0.0, 1.0), (KEY, 1.0, 0.0)])
def test_nothing_dropped_is_light_and_all_dropped_is_dark(key, rate, shade):
    assert np.unique(panels(diagnose.plot_masks(key, rate, noises={"dropout": noise.dropout}, shape=SHAPE))) == shade


def test_it_draws_on_the_axes_given_and_shades_survive_a_print_in_grey():
    _, (left, right) = pyplot.subplots(1, 2)
    assert diagnose.plot_masks(KEY, 0.5, noises={"mine": noise.dropout}, axes=left, shape=SHAPE) is left
    assert not right.images
    assert len(pyplot.get_fignums()) == 1
    dark, light = (left.images[0].cmap(value)[0] for value in (0.0, 1.0))
    assert light - dark > 0.7
    assert "dark: dropped, light: kept" in left.get_xlabel()


def test_no_label_leaves_the_picture_or_covers_another():
    axes = diagnose.plot_masks(None, 0.5, noises=dict.fromkeys(NOISES, noise.dropout))
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    for box in boxes:
        assert axes.figure.bbox.x0 <= box.x0
        assert axes.figure.bbox.y0 <= box.y0
        assert sum(box.overlaps(other) for other in boxes) == 1


def test_bad_arguments_raise():
    for arguments, message in (
        ({"shape": (4, 4)}, "plot_masks: shape must hold four sizes of at least 1"),
        ({"noises": {}}, "plot_masks: shape must hold four sizes of at least 1, and noises a function"),
        ({"noises": {"sum": lambda key, x, rate: jnp.sum(x)}}, r"plot_masks: noises\['sum'\] must keep the shape of x"),
    ):
        with pytest.raises(ValueError, match=message):
            diagnose.plot_masks(KEY, 0.5, **arguments)
    with pytest.raises(TypeError, match="plot_masks: noises must be a dict of functions"):
        diagnose.plot_masks(KEY, 0.5, noises=noise.dropout)
