# make local   deploy to an AWS on this machine and enrol an account (SCENARIO=invitation|trouble|organization,
#              KEEP=1)
# make test    every check
# make setup   what deploying takes; make local and make test do it first
# make lock    pin and hash what requirements/*.in ask for

PYTHON  ?= python3
BIN     := .venv/bin
SCENARIO ?= creation

# jsii works with Node 20 and says at length that it will not for ever.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = 20
# Nothing is compiled when it is installed, since little of it is ever imported; what the first import compiles is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup ready local test lint pytest lock
help:
	@sed -n '1,/^$$/s/^# //p' $(MAKEFILE_LIST)

# Two parts at a time; each says what it does, once.
setup:
	@$(MAKE) --no-print-directory --jobs 2 ready

READY := .venv/.run node_modules/.ready .build/.ready .venv-local/.ready
SAY   := @echo 'Setting up, the first time only:'

ready: $(READY)
	@:

.venv/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("Rollcall needs Python 3.11 or newer; this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(SAY) a Python environment, and uv to fill it
	@$(PYTHON) -m venv .venv
	@# Without a wheel for this machine uv would have to be compiled, which takes Rust; pip does without it.
	@$(BIN)/pip install -qqq --disable-pip-version-check --only-binary :all: --require-hashes -r $< || true
	@touch $@

.venv/.run: requirements/run.txt pyproject.toml .venv/.uv
	$(SAY) the CDK and what the command line takes
	@requirements/install .venv run
	@# The command rollcall: .venv/bin/rollcall runs what is in this folder.
	@$(BIN)/pip install -qqq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Holds what run.txt pins, too, so that it adds to it and changes nothing.
.venv/.dev: requirements/dev.txt .venv/.run
	$(SAY) what tests and checks take
	@requirements/install .venv dev
	@touch $@

# MiniStack pins a botocore of its own, so the local AWS has an environment of its own.
.venv-local/.ready: requirements/local.txt .venv/.uv
	$(SAY) MiniStack, the local AWS
	@$(PYTHON) -m venv --without-pip .venv-local
	@requirements/install .venv-local local
	@touch $@

node_modules/.ready: package-lock.json
	$(SAY) "the CDK's" command line
	@npm ci --silent
	@touch $@

# What Lambda runs, so that synthesising needs no network.
.build/.ready: requirements/lambda.txt .venv/.run
	$(SAY) what Lambda runs
	@mkdir -p .build
	@$(BIN)/python -m infra.asset
	@touch $@

local: setup
	@$(BIN)/python -m infra.cli local --scenario $(SCENARIO) $(if $(KEEP),--keep)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Lint takes a minute and the tests four: side by side they take four.
test:
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: .venv/.dev $(READY)
	$(BIN)/pytest

# Versions stay as they are where the .in files allow it. Every list that is the base of another comes before it.
LISTS := uv lambda local run dev
lock: .venv/.uv
	@for list in $(LISTS); do \
	  $(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 \
	    requirements/$$list.in --output-file requirements/$$list.txt || exit; \
	done
