# Everything runs in .venv; nothing else is needed than Python 3.11, make, PyPI and, for the tests
# and the emulator of Azure Storage, npm's registry. node comes from PyPI.

PYTHON ?= python3
TEST_WORKERS ?= 3
BIN := .venv/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo dev dev-azurite test setup benchmark clean

demo: setup  ## Paint the sample clip and show how long it took.
	@$(BIN)/python -m stylejobs.demo

dev: setup $(DAGSTER_HOME)/dagster.yaml  ## Open the Dagster UI with the inbox sensor on.
	$(BIN)/dagster dev

dev-azurite: setup .venv/azurite/installed  ## The same against an emulated storage account.
	$(BIN)/python -m stylejobs.dev_azurite

test: export STYLEJOBS_TESTS_NEED_AZURITE = 1
test: setup .venv/azurite/installed  ## Check style, types and behaviour.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses $(TEST_WORKERS) --dist loadgroup

benchmark: setup  ## Measure what the README states.
	$(BIN)/python -m benchmarks $(if $(STYLE),--style $(STYLE))

setup: .venv/installed  ## Only install.

.venv/installed: setup.cfg constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "stylejobs needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/azurite/installed: .venv/installed deploy/azurite/package-lock.json
	$(BIN)/python -m stylejobs.azurite

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	mkdir -p $(DAGSTER_HOME)
	cp $< $@

clean:
	rm -rf .venv .dagster demo screenshots *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
