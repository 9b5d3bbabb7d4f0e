# Targets that set up what they need; `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SHELL  := /bin/sh
JOBS   ?= auto
# The tests write many small databases: in memory, where there is room, they wait for no disk.
FAST_TEMP := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 2000000 { print "/dev/shm" }')

.DEFAULT_GOAL := help
.PHONY: help demo dev test check bench lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | expand -t 10

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is needed (Debian: apt install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock pyproject.toml
	@echo "Installing what is needed to run (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Installing what is needed to test (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run ## load 14 days from a synthetic API through Dagster and print the answers
	@$(BIN)/soundlink-assets demo

dev: $(VENV)/.run ## the Dagster UI on the synthetic API, no key needed (with a key: soundlink-assets dev)
	@$(BIN)/soundlink-assets dev --sandbox

test: $(VENV)/.dev ## all tests
	@PYTEST_DEBUG_TEMPROOT=$(FAST_TEMP) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## lint, format, types, import rules, dead code, links of the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python tools/check_docs
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/vulture
	@$(BIN)/mypy

bench: $(VENV)/.dev ## measure speed and memory, as ratios within one run
	@for bench in benchmarks/*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

lock: ## write the lock files from pyproject.toml anew
	@tools/lock $(PYTHON)

clean: ## remove the environment, caches and the sandbox's data (not the data of your key)
	rm -rf $(VENV) build dist *.egg-info data/sandbox .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
