# The short ways in. Everything is set up on first use: the virtualenv, the packages (by hash) and the database.
# `make demo ARGS=--once`, `make run ARGS="--port 8080"`, `make test ARGS="tests/mappings -q"`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
# Processes of the test run; each has a database of its own.
JOBS ?= 2
# Seeds of `make chaos`: each plays other phases, faults and kills. `make chaos FIRST=17 SEEDS=1` repeats one.
SEEDS ?= 20
FIRST ?= 1
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo run test lint bench chaos lock screenshots chromium

help:
	@echo 'make demo    a whole installation on this machine: sandbox, database, web, worker, two payrolls posted'
	@echo '             (make demo ARGS=--once ends by itself, 0 only if every journal is in the ledger exactly once)'
	@echo 'make run     web, worker and sweep under one supervisor, with the settings of the environment or .env'
	@echo 'make test    every test on a real PostgreSQL, real HTTP and a real Chromium'
	@echo 'make lint    ruff, mypy and the import contracts'
	@echo 'make bench   the figures of the benchmark'
	@echo 'make chaos   phases x faults x kills from seeds (SEEDS=20)'
	@echo 'make screenshots  take the pictures of docs/images anew'
	@echo 'make lock    renew requirements.lock and requirements-dev.lock from pyproject.toml'

demo: $(RUN)
	@exec $(BIN)/python manage.py demo $(ARGS)

run: $(RUN)
	@exec $(BIN)/python manage.py run $(ARGS)

# Three seeds of chaos are among them. The browser tests run apart: playwright leaves an event loop in the process, under which Django refuses the database.
test: $(DEV) chromium
	$(BIN)/python -m pytest -m "not browser" -n $(JOBS) --dist loadfile $(ARGS)
	DJANGO_ALLOW_ASYNC_UNSAFE=true $(BIN)/python -m pytest -m browser -n $(JOBS) --dist loadfile $(ARGS) || test $$? -eq 5

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

bench: $(DEV)
	@exec $(BIN)/python -m tests.bench $(ARGS)

chaos: $(DEV)
	MLC_CHAOS_FIRST=$(FIRST) MLC_CHAOS_SEEDS=$(SEEDS) $(BIN)/python -m pytest -m chaos $(ARGS)

# The README's picture is taken by a test, so that it cannot show what the product does not do.
screenshots: $(DEV) chromium
	DJANGO_ALLOW_ASYNC_UNSAFE=true MLC_PICTURES=docs/images \
		$(BIN)/python -m pytest -m browser tests/connector_site/browser/test_pictures.py $(ARGS)

lock: $(DEV)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

# A stamp is written last, so that an interrupted installation is done again.
$(RUN): requirements.lock | $(BIN)/python
	@echo 'Installing the packages of requirements.lock (about a quarter of a minute) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(DEV): requirements-dev.lock | $(BIN)/python
	@echo 'Installing the packages of requirements-dev.lock (about half a minute) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo 'Python is missing: install python3 (3.11 or newer).' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("ml-connector needs Python 3.11 or newer; \
	this is %s.%s. Name another one: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'The virtualenv could not be made. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }

# Only the browser tests need it; without it they say so and are skipped.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing Chromium for the browser tests ...'; \
		(apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium) \
			>/dev/null 2>&1 || echo 'Chromium could not be installed; the browser tests are skipped.' >&2; \
	else echo 'Chromium is not installed; the browser tests are skipped.' >&2; fi
