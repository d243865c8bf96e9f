# Everything runs in .venv; nothing else is needed than Python 3.11, make and PyPI.

PYTHON ?= python3
BIN := .venv/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo dev test setup benchmark clean

demo: setup  ## Paint the sample clip and show how long it took.
	@$(BIN)/python -m stylejobs.demo

dev: setup $(DAGSTER_HOME)/dagster.yaml  ## Open the Dagster UI with the inbox sensor on.
	$(BIN)/dagster dev

test: setup  ## Check style, types and behaviour.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

benchmark: setup  ## Measure what the README states.
	$(BIN)/python -m benchmarks $(if $(STYLE),--style $(STYLE))

setup: .venv/installed  ## Only install.

.venv/installed: setup.cfg constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "stylejobs needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	mkdir -p $(DAGSTER_HOME)
	cp $< $@

clean:
	rm -rf .venv .dagster demo screenshots *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
