"""Where to draw: on the axes of the caller, or on new ones."""

from typing import Any

from .._core.checks import Checks


def axes_of(check: Checks, axes: Any, size: tuple[float, float]) -> Any:
    """Return the axes given, or those of a new figure of a size in inches; only then is pyplot needed."""
    if axes is not None:
        if not callable(getattr(axes, "plot", None)):
            raise TypeError(f"{check}: axes must be matplotlib axes; got {axes!r}")
        return axes
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(f"{check}: needs matplotlib: pip install 'jreg[plot]'") from error
    return pyplot.subplots(figsize=size, layout="constrained")[1]
