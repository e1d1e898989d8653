# Every target sets itself up: the first run makes .venv (about a minute), later ones start at once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CONFIG ?= config/default.yaml
VENV := .venv
BIN := $(VENV)/bin
# The first Python on the path that will do; PYTHON=... chooses another.
# 3.12 comes last: PocketSphinx has no wheel for it, so it is compiled there.
PYTHON ?= $(shell for python in python3.11 python3.13 python3 python3.12; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)

CLIENTS := .venv-clients

.PHONY: help serve demo test soak check bench clients test-clients

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1 \2/p' Makefile | while read -r make target words; do \
		printf '  %s %-12s  %s\n' "$$make" "$$target" "$$words"; done

# exec: a signal sent to make's child reaches the server itself.
serve: $(VENV)/.installed  ## run the server; CONFIG=config/kiosk.yaml chooses its settings
	@exec $(BIN)/python -m voicechat serve --config $(CONFIG)

demo: $(VENV)/.installed  ## a three-turn conversation with a real server and a real caller; writes demo.wav
	@exec $(BIN)/python -m voicechat demo

# Two at a time, as many wait for real sound. One OpenMP thread: engines that each take all cores slow one another down.
test: $(VENV)/.installed-dev browser redis  ## run the tests; ARGS=... go to pytest
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/clients -n 2 --dist loadfile $(ARGS)

clients: $(CLIENTS)/.installed  ## install the clients of others that the server is tested with (1 GB)

test-clients: $(VENV)/.installed-dev browser clients  ## run their tests; ARGS=... go to pytest
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(ARGS) tests/clients

soak: $(VENV)/.installed-dev  ## play 2,000 random lives of models; make test plays 60
	@VOICECHAT_RUNS=2000 $(BIN)/python -m pytest tests/models/test_models_always.py $(ARGS)

check: $(VENV)/.installed-dev  ## lint, types, import floors, and that the pins fit together
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pip check

bench: $(VENV)/.installed-dev  ## run the benchmarks
	@OMP_NUM_THREADS=1 $(BIN)/python -m bench

# A stamp, not .venv/bin/python itself: that exists before the environment is whole.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found on the path." >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON); this takes about a minute, once."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "On Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e .
	@$(BIN)/python -m compileall -q voicechat  # pip compiles what it copies; the first start shall be as quick as the next
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# An environment of their own: they need 0.8 GB, and another version of websockets than ours.
$(CLIENTS)/.installed: tests/clients/python.txt tests/clients/package.json tests/clients/package-lock.json
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found on the path." >&2; exit 1; }
	@command -v npm >/dev/null || { echo "npm is needed for the clients in JavaScript. On Debian: apt install npm" >&2; exit 1; }
	@echo "Setting up $(CLIENTS); this takes about two minutes, once."
	@$(PYTHON) -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/pip install --disable-pip-version-check --quiet -r tests/clients/python.txt
	@mkdir -p $(CLIENTS)/npm
	@cp tests/clients/package.json tests/clients/package-lock.json $(CLIENTS)/npm
	@cd $(CLIENTS)/npm && npm ci --silent --no-audit --no-fund
	@touch $@

# Debian's Chromium for the browser tests. Where it cannot be had, they are skipped and say why.
.PHONY: browser
browser:
	@if command -v chromium >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then \
		echo "No chromium here: the browser tests will be skipped. On Debian: apt install chromium"; exit 0; \
	fi; \
	echo "Installing Debian's chromium for the browser tests (about 360 MB)."; \
	export DEBIAN_FRONTEND=noninteractive; \
	said=$$({ apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium; } 2>&1) \
		|| echo "Chromium could not be installed, the browser tests will be skipped: $$(tail -n 1 <<<"$$said")"

# Debian's Redis for the tests of shared affinity, for each of which they start one of their own.
.PHONY: redis
redis:
	@if command -v redis-server >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then \
		echo "No redis-server here: its tests will be skipped. On Debian: apt install redis-server"; exit 0; \
	fi; \
	echo "Installing Debian's redis-server for the tests (about 10 MB)."; \
	export DEBIAN_FRONTEND=noninteractive; \
	said=$$({ apt-get -qq update && apt-get -qq install --yes --no-install-recommends redis-server; } 2>&1) \
		|| echo "redis-server could not be installed, its tests will be skipped: $$(tail -n 1 <<<"$$said")"
