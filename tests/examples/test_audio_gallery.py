"""The audio gallery: it writes a picture of every panel that it has."""

from PIL import Image

from examples import audio_gallery as gallery


def test_it_writes_a_picture(tmp_path):
    """With a few panels; drawing all compiles for some seconds."""
    chosen = tuple(panel for panel in gallery.PANELS if panel.title in ("melody", "random_gain", "spec_augment"))
    gallery.draw(tmp_path / gallery.FILE, chosen)
    with Image.open(tmp_path / gallery.FILE) as picture:
        assert picture.size[0] > 500
