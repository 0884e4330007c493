# Each target creates the environment when it has to; a second call finds it made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# pip's harmless remarks about its configuration are warnings: one --quiet hides them, errors stay.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input

.PHONY: demo test lint docs clean
.DEFAULT_GOAL := test

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing intertwine and its extras into $(VENV) (once)"
	@$(PIP_INSTALL) --constraint constraints.txt --editable '.[all]'
	@touch $@

demo: $(STAMP)
	$(BIN)/intertwine demo

# Files run side by side, so the linear algebra in each keeps to one thread.
test: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m docs.build

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov docs/_build
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
