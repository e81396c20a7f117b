# Each target sets up what it needs: the virtual environment, then the programs of the local environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DOCS := .docs
STAMP := $(VENV)/.installed
LOCAL := $(BIN)/python -m deploy.local
SOURCES := activities crds deploy providers tests worker workflows

# For every platform, with extras and hashes: what is installed without resolving must be complete.
LOCKED := --quiet --universal --no-strip-extras --generate-hashes --no-header --python-version 3.11

# Each process of tests starts servers of its own and waits for them half of its time, so that three keep two cores busy.
PROCESSES ?= 3
# A test of real servers may fail of a machine that stood still. One that passes the second time is named at the end, and is a fault to fix.
RERUNS ?= 1

# Temporal's own server on PostgreSQL for up, demo, bench, chaos and tests (TEMPORAL=postgres), instead of the development server.
export LOCAL_TEMPORAL := $(TEMPORAL)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Processes that the tests start would compile every module again, each of them.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help venv binaries demo up down status samples test docs conformance coverage check format generate manifests bench chaos clean lock mutants record-histories accept-command-order

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Asked each time: an interpreter that was replaced, or a tree that was moved, has no time stamp.
$(STAMP): FORCE
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: Pilotage needs Python 3.11 or newer; \`$(PYTHON)\` is $$($(PYTHON) --version 2>&1 | head -n 1)." \
	       "Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m deploy.local.environment.installation --directory $(VENV) $(if $(OLDEST_PIP),--oldest-pip) \
	  $(if $(filter command environment,$(firstword $(origin PYTHON))),--this-python)

FORCE:

venv: $(STAMP) ## Create the virtual environment, or bring it to what the locks name (OLDEST_PIP=1 by the oldest pip)

binaries: $(STAMP) ## Find, download or build etcd, kube-apiserver, kubectl and temporal
	@$(LOCAL) binaries

# Some shells export the machine's name as HOST: what is written behind `make` counts alone.
demo: $(STAMP) ## Promote a pull request to prod on real servers, and report (KEEP=1 leaves all running, HOST=gitea)
	@$(BIN)/python -m deploy.local.demo $(if $(KEEP),--keep) $(if $(filter command,$(origin HOST)),--host $(HOST))

up: $(STAMP) ## Start the local environment, or what is missing of it (WORKERS=n, WATCHERS=n, RECEIVERS=n, TEMPORAL=postgres)
	@$(LOCAL) up $(if $(WORKERS),--workers $(WORKERS)) $(if $(WATCHERS),--watchers $(WATCHERS)) $(if $(RECEIVERS),--receivers $(RECEIVERS))

down: $(STAMP) ## Stop the local environment
	@$(LOCAL) down

status: $(STAMP) ## Show what runs
	@$(LOCAL) status

samples: $(STAMP) ## Print the samples with the addresses of the environment: make samples | kubectl apply -f - (SET=waves)
	@$(LOCAL) samples $(SET)

test: $(STAMP) ## Run all tests (PROCESSES=n for several processes; ARGS="..." goes to pytest)
	@$(LOCAL) binaries >/dev/null
	$(BIN)/python -m pytest --reruns $(RERUNS) $(or $(ARGS),$(if $(filter-out 1,$(PROCESSES)),--numprocesses $(PROCESSES)))

docs: ## Build the documentation as a site in build/site; a broken link or anchor fails
	@$(PYTHON) -m deploy.local.environment.installation --directory $(DOCS) --lock deploy/requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@! grep -rl --include='*.html' '```' build/site || { echo "error: the fences of these pages were not read" >&2; exit 1; }
	@echo "build/site/index.html"

conformance: $(STAMP) docs ## Build the site; hold requests, parsers and stand-ins against what others wrote of the hosts (fetches it once, 280 MB)
	@$(BIN)/python -m tests.conformance.material
	@$(LOCAL) binaries helm >/dev/null
	PILOTAGE_CONFORMANCE=1 $(BIN)/python -m pytest tests/conformance
	$(BIN)/python -m pytest -p tests.conformance.watching tests/providers/test_sandbox_contract.py tests/providers/test_steering_contract.py -k "github"

coverage: $(STAMP) ## Branch coverage of workflows, providers and crds, at least 90 %
	@$(LOCAL) binaries >/dev/null
	$(BIN)/python -m pytest tests/workflows tests/providers tests/crds tests/watcher $(if $(filter-out 1,$(PROCESSES)),--numprocesses $(PROCESSES)) --cov=workflows --cov=providers --cov=crds \
	  --cov-branch --cov-report=term:skip-covered --cov-fail-under=90

check: $(STAMP) ## Format, lint, types, import rules, terms, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m worker crds --check
	$(BIN)/python -m deploy.local.chart --check
	$(BIN)/python -m tests.architecture.driven
	$(BIN)/python -m tests.architecture.terms
	$(BIN)/python -m tests.architecture.command_order --check
	$(BIN)/python -m tests.architecture.secret_scan
	$(BIN)/python -m tests.histories.record --check

format: $(STAMP) ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(STAMP) ## Write the generated files
	$(BIN)/python -m worker crds --write
	@$(BIN)/python -m deploy.local.chart --check 2>/dev/null || $(BIN)/python -m deploy.local.chart

manifests: $(STAMP) ## Render the chart's examples into deploy/manifests (builds the pinned helm once, in minutes)
	@$(BIN)/python -m deploy.local.chart

mutants: $(STAMP) ## Change each condition of workflow rules and see whether a test notices, in half an hour (RULES=... only some)
	$(BIN)/python -m tests.mutants.run $(RULES)

lock: ## Write the locked requirements with uv, which must be installed
	uv pip compile $(LOCKED) --output-file deploy/requirements/runtime.txt pyproject.toml
	uv pip compile $(LOCKED) --extra cli --constraint deploy/requirements/runtime.txt \
	  --output-file deploy/requirements/cli.txt pyproject.toml
	uv pip compile $(LOCKED) --group pyproject.toml:build --constraint deploy/requirements/cli.txt \
	  --output-file deploy/requirements/build.txt
	uv pip compile $(LOCKED) --extra cli --group dev --constraint deploy/requirements/cli.txt \
	  --constraint deploy/requirements/build.txt --output-file deploy/requirements/development.txt pyproject.toml
	uv pip compile $(LOCKED) --group pyproject.toml:docs --output-file deploy/requirements/docs.txt

record-histories: $(STAMP) ## Record the histories that must replay, in two minutes (STORIES=... only some)
	@$(LOCAL) binaries >/dev/null
	$(BIN)/python -m tests.histories.record $(STORIES)

accept-command-order: $(STAMP) ## Accept the order of workflow commands as it is (rules: docs/operate/compatibility.md)
	$(BIN)/python -m tests.architecture.command_order

bench: $(STAMP) ## Measure every figure that Pilotage is designed for, in about ten minutes (N=10000 trackers waiting)
	@$(LOCAL) binaries >/dev/null
	@$(BIN)/python -m tests.bench $(if $(N),--trackers $(N)) $(ARGS)

chaos: $(STAMP) ## Promote under SIGKILLs and judge the result (N=1000 KILLS=1000 SEED=n)
	@$(LOCAL) binaries >/dev/null
	@$(BIN)/python -m tests.chaos $(if $(N),--promotions $(N)) $(if $(KILLS),--kills $(KILLS)) \
	  $(if $(SEED),--seed $(SEED)) --report $(or $(REPORT),docs/operate/reliability.md)

clean: ## Stop the local environment; remove it, the caches and the virtual environment
	@if test -x $(BIN)/python && test -d .local; then $(LOCAL) down; fi
	rm -rf .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist build $(DOCS) $(VENV)
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
