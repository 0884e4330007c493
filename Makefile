# Each target creates the environment when it has to; a second call finds it made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tools of a release, and the package as its users install it: apart from the environment of development.
TOOLS := build/tools
RUNTIME := build/runtime
USED := intertwine[deep,report,cli,scale,index,formula]

# pip's harmless remarks about its configuration are warnings: one --quiet hides them, errors stay.
PIP := -m pip install --quiet --quiet --disable-pip-version-check --no-input
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help demo test fuzz lint docs mutations dist dist-check oldest audit sbom clean
.DEFAULT_GOAL := test

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing intertwine and its extras into $(VENV) (once)"
	@$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[all]'
	@touch $@

demo: $(STAMP) ## Fit real tables and write a report
	$(BIN)/intertwine demo

# Files run side by side, so the linear algebra in each keeps to one thread.
test: $(STAMP) ## Run all tests (minutes)
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses auto --dist worksteal

MINUTES ?= 10
fuzz: $(STAMP) ## Damaged files, other ones each time: make fuzz MINUTES=30
	@end=$$(( $$(date +%s) + 60 * $(MINUTES) )); while [ $$(date +%s) -lt $$end ]; do \
	  FUZZ_EXAMPLES=500 $(ONE_THREAD) $(BIN)/python -m pytest --quiet --exitfirst tests/test_fuzz_*.py || exit 1; \
	done

lint: $(STAMP) ## ruff, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP) ## Run the code of the pages and write the site
	$(BIN)/python -m docs.build

mutations: $(STAMP) ## Break formulas one at a time: which does no test notice? (hours; MUTATIONS='--signs --sample 100')
	$(ONE_THREAD) PYTHONPATH=src:tests $(BIN)/python -m mutations $(MUTATIONS)

$(TOOLS)/.installed: pyproject.toml constraints.txt
	@test -x $(TOOLS)/bin/pip || $(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python $(PIP) --constraint constraints.txt build hatchling twine pip-audit cyclonedx-bom
	@touch $@

dist: $(TOOLS)/.installed ## Build the wheel and the source distribution
	@rm -rf dist
	@$(TOOLS)/bin/python -m build --no-isolation --outdir dist . >build/dist.log || { cat build/dist.log; exit 1; }
	@$(TOOLS)/bin/twine check --strict dist/*
	@ls -l dist

dist-check: dist ## Install what dist made in empty folders, and use it there (minutes; the network)
	PYTHONPATH=tests $(TOOLS)/bin/python -m release --dist dist --constraint constraints.txt --python $(PYTHON)

oldest: dist ## Run quick tests at the oldest versions that pyproject.toml allows (minutes; the network)
	PYTHONPATH=tests $(TOOLS)/bin/python -m release.oldest --dist dist --python $(PYTHON)

# From the wheel by name, so that nothing in the environment points at this folder.
$(RUNTIME)/.installed: pyproject.toml constraints.txt | dist
	@rm -rf $(RUNTIME) && $(PYTHON) -m venv $(RUNTIME)
	@$(RUNTIME)/bin/python $(PIP) --no-index --no-deps --find-links dist intertwine
	@$(RUNTIME)/bin/python $(PIP) --constraint constraints.txt '$(USED)'
	@touch $@

audit: $(RUNTIME)/.installed ## Look for known vulnerabilities of what users install (the network); one not looked up is an error
	@$(RUNTIME)/bin/python -m pip freeze --exclude intertwine >build/runtime.txt
	$(TOOLS)/bin/pip-audit --strict --progress-spinner off --no-deps --disable-pip --requirement build/runtime.txt

sbom: $(RUNTIME)/.installed ## Write what users install as CycloneDX, build/sbom.json
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --output-format JSON --output-file build/sbom.json \
	  $(RUNTIME)/bin/python
	PYTHONPATH=tests $(TOOLS)/bin/python -m release.bill build/sbom.json

clean: ## Remove all that was made here
	rm -rf $(VENV) build dist intertwine-demo reports report*.html .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .coverage htmlcov docs/_build docs/site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
