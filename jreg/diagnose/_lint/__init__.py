"""Mistakes found in the program itself."""

from ._findings import Finding
from ._lint import lint, linted
from ._lint_optimizer import lint_optimizer

__all__ = ["Finding", "lint", "lint_optimizer", "linted"]
