"""What validation chooses. Test numbers are never read here."""

from typing import Any

import numpy as np

from .cells import LEVERS, Setting, cell_name


def valid_bits(cell: Any) -> float:
    """The mean over seeds of the bits at each seed's best check; a run that diverged counts as the worst."""
    return float(np.nan_to_num(np.mean(cell["best_valid"]), nan=np.inf))


def chosen_alone(cells: dict[str, Any], passes: int) -> dict[str, Setting]:
    """The best strength of each lever by itself."""
    return {lever: best_with(cells, passes, (lever,)) for lever in LEVERS}


def best_with(cells: dict[str, Any], passes: int, levers: tuple[str, ...]) -> Setting:
    """The best setting that pulls these levers and no other."""
    return min(
        (setting for setting in settings_of(cells, passes) if setting.levers == levers),
        key=lambda setting: valid_bits(cells[cell_name(passes, setting)]),
    )


def best_of(cells: dict[str, Any], passes: int) -> Setting:
    """The best setting of all that pull a lever."""
    return min(
        (setting for setting in settings_of(cells, passes) if setting.levers),
        key=lambda setting: valid_bits(cells[cell_name(passes, setting)]),
    )


def settings_of(cells: dict[str, Any], passes: int) -> list[Setting]:
    """The settings that the record has for a number of passes."""
    return [Setting(**cell["setting"]) for cell in cells.values() if cell["passes"] == passes and "best_valid" in cell]
