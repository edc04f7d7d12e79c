# Everything a developer or CI runs. `make install` asks for Python 3.11 to 3.14 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SEED ?= 1
MINUTES ?= 5
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.PHONY: help install dev demo test long lint format bench chaos lock clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## Install the locked dependencies and the project into .venv

dev: $(VENV)/.dev ## The same with what tests, lint and benchmarks need

demo: install ## Broker, simulated traffic, worker and wallboard in one go; Ctrl-C ends all of it
	$(BIN)/centralita demo

test: dev ## Run the tests (ARGS="-k name" and the like are handed to pytest)
	$(BIN)/pytest --numprocesses 3 --dist worksteal $(ARGS)

lint: dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev ## Put the sources in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: dev ## Print the figures of docs/performance.md
	$(BIN)/python -m benchmarks

long: dev ## Run the tests of faults that take minutes, which `make test` leaves out
	$(BIN)/pytest --numprocesses 3 --dist worksteal -m long tests/faults $(ARGS)

chaos: dev ## A seeded run of faults over a million events: make chaos SEED=7 MINUTES=20
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) $(ARGS)

lock: dev ## Resolve the dependencies anew; the runtime lock is a subset of the developers'
	$(LOCK) --upgrade --extra build --extra dev --extra parquet --output-file requirements-dev.lock
	$(LOCK) --upgrade --extra build --constraints requirements-dev.lock --output-file requirements.lock

clean: ## Remove what the targets above made (the broker's data and the download cache stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find schemas streams tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Of the locked packages there are wheels for these versions of Python; without one, pip would look for a compiler, in vain on most machines.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
		echo "Expected Python 3.11 to 3.14, seen $$($(PYTHON) --version 2>&1). With another one: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second run instant; a changed lock or pyproject.toml installs again.
$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
