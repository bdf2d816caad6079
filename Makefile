# Two commands are enough: `make sweep` and `make test`. Both create .venv first, with pip.

PYTHON ?= python3
ABLATION ?= ablations/rnd.yaml
RESULTS ?= results
# Of `make image`: what builds it (docker, podman, buildah) and with what options; its name; what
# it computes on (cpu, cuda).
DOCKER ?= docker
OPTIONS ?=
IMAGE ?= harness:$(DEVICE)
DEVICE ?= cpu
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
# Two processes with two threads each slow one another down: one thread, as in every run.
export OMP_NUM_THREADS := 1
# Empty is unset: what a process compiles, the next one reads. Tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

# In parallel; the tests of one file stay together, because some share the results of a sweep.
TWO_CORES := --numprocesses 2 --dist loadfile

# Needed by some slow tests: a browser, LaTeX, a database server.
DEBIAN := chromium latexmk texlive-latex-recommended texlive-latex-extra texlive-fonts-recommended \
	lmodern cm-super postgresql

.DEFAULT_GOAL := help
.PHONY: help setup sweep test test-slow soak check docs digest release image golden format tools debian

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## create .venv and install the project into it

# Recreated when the project's requirements change.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
		{ echo "Python's venv is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@$(MAKE) --no-print-directory tools || true
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

tools:  ## check for the programs that some slow tests need
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome || command -v chrome; } \
		> /dev/null && command -v latexmk > /dev/null && command -v pdflatex > /dev/null && \
		{ command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; } > /dev/null 2>&1 || \
		{ echo "A browser, LaTeX or PostgreSQL is missing, and with it some of the slow tests."; \
		echo "On Debian or Ubuntu: sudo apt-get install --no-install-recommends $(DEBIAN)"; exit 1; }

debian:
	@echo $(DEBIAN)

sweep: $(READY)  ## does the RND bonus help? (another question: make sweep ABLATION=...)
	$(BIN)/harness sweep $(ABLATION)

test: $(READY)  ## all tests except the slow ones
	$(BIN)/python -m pytest $(TWO_CORES)

test-slow: $(READY)  ## only the slow tests
	$(BIN)/python -m pytest -m slow $(TWO_CORES)

soak: $(READY)  ## hours of damaged files, killed processes and odd inputs
	KILLS_TABLE=kills.md $(BIN)/python -m pytest -m soak --timeout 0 $(TWO_CORES)

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## the site in docs/_build/html, without a warning
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html

digest: $(READY)  ## docs/results/SWEEP from a finished sweep or search, for pages to quote: make digest SWEEP=rnd
	test -d $(RESULTS)/searches/$(SWEEP) || $(BIN)/harness report $(SWEEP) --results $(RESULTS)
	rm -rf docs/results/$(SWEEP) && mkdir -p docs/results/$(SWEEP)
	find $(RESULTS)/s*/$(SWEEP)/report -maxdepth 1 -type f ! -name report.html \
		-exec cp {} docs/results/$(SWEEP) \;
	$(BIN)/python docs/extension/results.py
	$(BIN)/python docs/extension/checklist.py

release: $(READY)  ## build the wheel in dist/ and try it in a bare environment
	rm -rf dist && $(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	cd dist && venv/bin/harness ls agents > /dev/null && venv/bin/harness check smoke > /dev/null && \
		venv/bin/harness sweep smoke --results results > /dev/null && test -s results/sweeps/smoke/report/report.html
	cd dist && rm -rf study && venv/bin/harness new study > /dev/null && cd study && \
		../venv/bin/harness sweep sweep.yaml > /dev/null && test -s results/sweeps/corridor/report/report.html
	@echo "dist/$$(cd dist && ls *.whl) installs and sweeps"

image:  ## build an image with Docker: make image DEVICE=cuda IMAGE=harness:1.0
	$(DOCKER) build --build-arg DEVICE=$(DEVICE) $(OPTIONS) --tag $(IMAGE) .

golden: $(READY)  ## renew tests/support/golden.json after a change of learners
	$(BIN)/python tests/support/golden.py

format: $(READY)  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
