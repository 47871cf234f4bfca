# make local   deploy to an AWS on this machine and enrol an account (SCENARIO=invitation|trouble|organization|
#              backfill|gaps, KEEP=1)
# make test    run all checks
# make bench   measure costs, times and sizes, without AWS; takes minutes (BENCH='runs asset' for some)
# make mutants change the rules in one place at a time, and count what no test notices; takes about 25 minutes
#              (MODULES='decide turn' for some modules, SAMPLE=300 for some changes, SEED=2 for others)
# make audit   ask which of the locked packages have known vulnerabilities; needs the internet
# make picture draw docs/watch.svg, the picture of a run in README.md
# make local-aws  set up the local AWS alone, to use it from other programs (docs/local-aws.md)
# make setup   install what deploying needs; make local and make test run it first
# make soak    play SEEDS=10000 random weeks of an organisation in which everything goes wrong, on all cores
# make replay  play one of them again: SEED=7 (SHRINK=1 finds the fewest events and faults that still fail)
# make lock    update requirements/*.txt, with versions and hashes, from requirements/*.in

PYTHON  ?= python3
BIN     := .venv/bin
SCENARIO ?= creation

# jsii still supports Node 20 and prints a long warning about its end of life.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION = 20
# Packages are not compiled at installation, since few modules are ever imported; compiled imports are cached.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup ready local local-aws test lint pytest bench mutants audit picture soak replay lock
help:
	@sed -n '1,/^$$/s/^# //p' $(MAKEFILE_LIST)

# Two targets at a time; each prints what it does, once.
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
	@# If there is no wheel of uv for this machine, pip is used: compiling uv needs Rust.
	@$(BIN)/pip install -qqq --disable-pip-version-check --only-binary :all: --require-hashes -r $< || true
	@touch $@

.venv/.run: requirements/run.txt pyproject.toml .venv/.uv
	$(SAY) the CDK and the packages of the command line
	@requirements/install .venv run
	@# The command .venv/bin/rollcall, an editable install of this folder.
	@$(BIN)/pip install -qqq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Contains the pins of run.txt, too, so that it only adds packages.
.venv/.dev: requirements/dev.txt .venv/.run
	$(SAY) the packages for tests and checks
	@requirements/install .venv dev
	@touch $@

# MiniStack pins another botocore, so the local AWS has an environment of its own.
.venv-local/.ready: requirements/local.txt .venv/.uv
	$(SAY) MiniStack, the local AWS
	@$(PYTHON) -m venv --without-pip .venv-local
	@requirements/install .venv-local local
	@touch $@

node_modules/.ready: package-lock.json
	$(SAY) the CDK CLI
	@npm ci --silent
	@touch $@

# The Lambda asset, built here so that synthesis needs no network.
.build/.ready: requirements/lambda.txt .venv/.run
	$(SAY) the code of the Lambda functions
	@mkdir -p .build
	@$(BIN)/python -m infra.asset
	@touch $@

local: setup
	@$(BIN)/python -m infra.cli local --scenario $(SCENARIO) $(if $(KEEP),--keep)

local-aws: .venv-local/.ready
	@echo 'Start it with: .venv-local/bin/python -m infra.local --world docs/local-world.example.json'

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# The checks of the code take a minute beside the tests.
test:
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

# The Chromium of the tests of the page, in the package itself: nothing is downloaded from elsewhere.
CHROMIUM := tests/browser/node_modules/.ready
$(CHROMIUM): tests/browser/package-lock.json tests/browser/unpack.mjs
	$(SAY) a Chromium for the tests of the page
	@npm ci --silent --ignore-scripts --prefix $(@D)/..
	@node tests/browser/unpack.mjs
	@touch $@

# Two processes take a file each, in this order: the slow files are not the last.
TIERS := unit contract infra simulation browser e2e workflow
pytest: .venv/.dev $(READY) $(CHROMIUM)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TIERS:%=tests/%)

SEEDS ?= 10000
soak: .venv/.dev $(READY)
	@$(BIN)/python -m tests.simulation soak $(SEEDS) $(if $(FIRST),--first $(FIRST))

replay: .venv/.dev $(READY)
	@$(BIN)/python -m tests.simulation replay $(SEED) $(if $(HAPPENINGS),--happenings $(HAPPENINGS)) \
	  $(if $(TROUBLES),--troubles $(TROUBLES)) $(if $(SHRINK),--shrink)

bench: .venv/.dev $(READY)
	@$(BIN)/python -m tests.bench $(BENCH)

# The packages that only these two need; dev.txt has the versions of all others.
.venv/.mutants .venv/.audit: .venv/.%: requirements/%.txt .venv/.dev
	@requirements/install .venv $*
	@touch $@

mutants: .venv/.mutants
	@$(BIN)/python -m tests.mutants $(MODULES) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

audit: .venv/.audit
	@$(BIN)/python -m infra.audit

picture: .venv/.dev $(READY)
	@$(BIN)/python -m tests.simulation.picture

# Versions are kept where the .in files allow it. A list that another one is based on comes first.
LISTS := uv lambda local run dev mutants audit
lock: .venv/.uv
	@for list in $(LISTS); do \
	  $(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 \
	    requirements/$$list.in --output-file requirements/$$list.txt || exit; \
	done
