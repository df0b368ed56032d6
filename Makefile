# Two commands do everything on a machine with python3: `make demo` and `make test`. Each makes its own .venv.

PYTHON ?= python3
BIN := .venv/bin
RECORDS ?= benchmarks/results/cpu.json benchmarks/results/cpu_huge_pages.json

.PHONY: demo test test-all fuzz lint bench bench-report faults claims limited-data docs docs-check clean

demo: .venv/examples
	$(BIN)/python -m examples.compare --out results

test: .venv/dev
	$(BIN)/python -m pytest tests
	$(BIN)/python -m pytest jreg -p tests.conftest --jaxtyping-packages=jreg,beartype.beartype

# Every case of every law, every argument spoiled in every way; `make test` runs a fixed choice of them.
test-all: .venv/dev
	EVERY_CASE=1 $(MAKE) test

# Of these, the spoiled arguments and JAX's modes alone: an hour.
fuzz: .venv/dev
	EVERY_CASE=1 $(BIN)/python -m pytest tests/test_fuzz.py tests/test_modes.py

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: .venv/bench
	$(BIN)/python -m benchmarks

bench-report: .venv/bench
	$(BIN)/python -m benchmarks report $(RECORDS) --readme README.md

# The ledger of claims: lanes that are there are not trained again; hours on two cores.
claims: .venv/examples
	$(BIN)/python -m examples.claims --lanes results/claims

# Text that is seen many times; goes on after a kill.
limited-data: .venv/examples
	$(BIN)/python -m examples.limited_data

faults: .venv/dev
	$(BIN)/python -m benchmarks.faults

# The site that GitHub Pages serves, in docs/_build/html; DOCS_ONLINE=1 also links to the pages of other projects.
docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html

# Every page of it in headless Chromium, playwright's own unless CHROMIUM names another: links, anchors, console.
docs-check: .venv/docs
	$(BIN)/python -m pip install --quiet playwright
	$(BIN)/python -m docs.check docs/_build/html $(if $(CHROMIUM),--chromium $(CHROMIUM))

clean:
	rm -rf .venv results
	git clean -qfX docs

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/%: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
