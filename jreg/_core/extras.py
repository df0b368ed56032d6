"""Libraries that only a part of jreg needs, and which `pip install jreg` leaves out."""

from importlib.util import find_spec


def is_there(library: str) -> bool:
    return find_spec(library) is not None


def require(library: str, extra: str, what: str) -> None:
    """Raise, with the command that helps, if a library is absent."""
    if not is_there(library):
        raise ModuleNotFoundError(f"{what} needs {library}: pip install 'jreg[{extra}]'", name=library)
