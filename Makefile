# Targets that set up what they need; `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SHELL  := /bin/sh
JOBS   ?= auto
# The tests write many small databases: in memory, where there is room, they wait for no disk.
FAST_TEMP := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 2000000 { print "/dev/shm" }')
# uv installs faster; pip is there with every Python. Both verify the hashes of the lock.
INSTALL := $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check)
# Without bytecode, each of the many processes compiles all that it imports, and Dagster its migrations.
PYTEST = PYTHONDONTWRITEBYTECODE= PYTEST_DEBUG_TEMPROOT=$(FAST_TEMP) $(BIN)/python -m pytest -n $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help demo dev test quick check bench lock hooks wheel clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | expand -t 10

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is needed (Debian: apt install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock pyproject.toml
	@echo "Installing $$(grep -c '==' requirements.lock) packages that are needed to run (once, about a minute) ..."
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Installing what is needed to test (once) ..."
	@$(INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run ## load 14 days from a synthetic API through Dagster and print the answers
	@$(BIN)/soundlink-assets demo

dev: $(VENV)/.run ## the Dagster UI on the synthetic API, no key needed (with a key: soundlink-assets dev)
	@$(BIN)/soundlink-assets dev --sandbox

test: $(VENV)/.dev ## all tests
	@$(PYTEST) --dist loadfile --no-loadscope-reorder

quick: $(VENV)/.dev ## the tests that take less than a few seconds each
	@$(PYTEST) --dist load -m "not slow"

check: $(VENV)/.dev ## lint, format, types, import rules, dead code, links of the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python tools/check_docs
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/vulture
	@$(BIN)/mypy

bench: $(VENV)/.dev ## measure speed and memory, as ratios within one run
	@for bench in benchmarks/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

wheel: $(VENV)/.dev ## build dist/soundlink_assets-*.whl
	@$(BIN)/python -m hatchling build --target wheel

lock: $(VENV)/.dev ## write the lock files from pyproject.toml anew
	@tools/lock $(BIN)/uv

hooks: $(VENV)/.dev ## run the fast checks before every commit
	@$(BIN)/pre-commit install

clean: ## remove the environment, caches and the sandbox's data (not the data of your key)
	rm -rf $(VENV) build dist *.egg-info data/sandbox .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
