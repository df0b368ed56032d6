"""What every picture must pass: it draws, it reads at half size in grayscale, and its legend covers nothing."""

import io

import numpy as np
from matplotlib import pyplot


def half_in_gray(axes) -> np.ndarray:
    """Draw, and return the brightness at half size, where something must be left to see."""
    pixels = drawn(axes).astype(np.float64) @ [0.299, 0.587, 0.114]
    rows, columns = (size // 2 * 2 for size in pixels.shape)
    half = pixels[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).mean((1, 3))
    assert half.min() < 128 < half.max()
    return half


def drawn(axes) -> np.ndarray:
    with io.BytesIO() as file:
        axes.figure.savefig(file, format="png")
        file.seek(0)
        return (pyplot.imread(file)[..., :3] * 255).round()


def assert_legend_covers_nothing(axes) -> None:
    drawn(axes)
    legend = axes.get_legend().get_window_extent()
    assert not legend.overlaps(axes.get_window_extent().padded(-2))
    assert axes.figure.bbox.padded(1).fully_containsx(legend.x0)
    assert axes.figure.bbox.padded(1).fully_containsy(legend.y1)


def brightness(colour) -> float:
    from matplotlib.colors import to_rgb

    return float(np.dot(to_rgb(colour), [0.299, 0.587, 0.114]))
