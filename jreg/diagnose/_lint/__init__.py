"""Mistakes found in the program itself."""

from ._findings import Finding
from ._lint import lint

__all__ = ["Finding", "lint"]
