"""The layers' constructors, as `inspect.signature` and editors should show them."""

from __future__ import annotations

import inspect
from typing import Any


class Signed:
    """A class whose signature is that of its constructor, not the `(*args, **kwargs)` of nnx's metaclass."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__signature__ = _constructor(cls)


def _constructor(cls: type) -> inspect.Signature:
    """The parameters of `__init__`, with `**options` replaced by those of the next constructor."""
    found: dict[str, inspect.Parameter] = {}
    for own in (vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)):
        parameters = list(inspect.signature(own).parameters.values())[1:]
        named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
        found |= {parameter.name: parameter for parameter in named if parameter.name not in found}
        if len(named) == len(parameters):
            break
    return inspect.Signature(sorted(found.values(), key=lambda parameter: parameter.kind))
