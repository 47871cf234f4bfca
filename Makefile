# make local   deploy to an AWS on this machine and enrol an account (SCENARIO=invitation|trouble|organization,
#              KEEP=1)
# make test    every check
# make setup   what both do first

PYTHON  ?= python3
BIN     := .venv/bin
SCENARIO ?= creation

# jsii works with Node 20 and says at length that it will not for ever.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = 20

.PHONY: help setup local test lint pytest
help:
	@sed -n '1,/^$$/s/^# //p' $(MAKEFILE_LIST)

setup: .venv/.ready .venv-local/.ready node_modules/.ready .build/.ready

.venv/.ready: requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit("Rollcall needs Python 3.11 or newer; this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# MiniStack pins a botocore of its own, so the local AWS has an environment of its own.
.venv-local/.ready: requirements/local.txt
	$(PYTHON) -m venv .venv-local
	.venv-local/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/local.txt
	@touch $@

node_modules/.ready: package-lock.json
	npm ci --silent
	@touch $@

# What Lambda runs, so that synthesising needs no network.
.build/.ready: requirements/lambda.txt .venv/.ready
	@mkdir -p .build
	$(BIN)/python -m infra.asset
	@touch $@

local: setup
	@$(BIN)/python -m infra.cli local --scenario $(SCENARIO) $(if $(KEEP),--keep)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Lint takes a minute and the tests four: side by side they take four.
test: setup
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: setup
	$(BIN)/pytest
