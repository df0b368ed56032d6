"""The documentation: `make docs` builds it from these sources, the docstrings, the tests' tables and the records."""
