# Every command sets up what it needs by itself: Python 3.11 and a package registry are enough.
# Set-up talks on stderr, so that `make up ARGS=--json` prints nothing but its JSON line.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# An interpreter to build .venv with; the first of these that is new enough unless given.
PYTHON ?= $(firstword $(foreach name,python3.11 python3 python3.12 python3.13 python3.14,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))) \
	python3.11)

# uv from PATH, else one of our own. It cannot live in .venv: `uv pip sync` would remove it.
UV = $(or $(shell command -v uv),.uv/bin/uv)

# `make up` and the tests start many processes, each of which would compile every module again where
# an image forbids to keep the bytecode: 1.5 of the 3 s of processor time that a pod starts in.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1

BIN := .venv/bin
# Newer than what it was made from, and holding the interpreter it was made with.
READY := .venv/.ready
REQUIREMENTS := requirements/development.txt
# Likewise, with what only `make mutants` needs.
MUTANTS := .venv-mutants/.ready

# Options for the command behind a target: `make up ARGS='--stations 0 --json'`.
ARGS ?=

# Tests of whole clusters, which take longest, come first in the order of files, and two workers run
# them (tests/conftest.py); the others share the rest. Tests wait for servers more than they
# compute, so there are four workers on however few processors.
PYTEST_OPTIONS ?= -n 4 --no-loadscope-reorder --durations 20

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Options of the command behind a target go in ARGS: make up ARGS='--stations 20'"

.PHONY: up
up: $(READY) ## Run the whole cluster on this machine until Ctrl-C
	@# `exec` leaves no shell between, and the tether stops the cluster even if make is killed.
	@exec $(BIN)/python -I -S cli/up/tether.py $$PPID 15 $(BIN)/python -m cli up $(ARGS)

.PHONY: test
test: $(READY) ## Run every test, against servers of its own
	@$(BIN)/python -P -m tests.second_look $(PYTEST_OPTIONS) $(ARGS)

# How many sessions `make soak` plays; `make test` plays 2,000 and more.
SESSIONS ?= 100000

.PHONY: soak
soak: $(READY) ## Play sessions in any order, twice and with losses, for long: SESSIONS=1000000
	@VOLTARO_SOAK_SESSIONS=$(SESSIONS) $(BIN)/python -m pytest --timeout 0 \
		tests/unit/shared/sessions/test_machine.py tests/unit/shared/sessions/test_bill_machine.py \
		tests/integration/gateway/test_sessions_any_order.py $(ARGS)

.PHONY: faults
faults: $(READY) ## Break a running cluster in every way we know, and print what held
	@VOLTARO_TEST_FAULTS=1 $(BIN)/python -m pytest tests/faults --faults-report build/faults.json $(ARGS)

.PHONY: contract
contract: $(READY) ## Hold the running API against its OpenAPI document, and print the counts
	@VOLTARO_TEST_CONTRACT=long $(BIN)/python -m pytest tests/contract -s $(ARGS)

.PHONY: events
events: $(READY) ## Kill workers while receivers of webhooks misbehave, and print what arrived
	@VOLTARO_TEST_EVENTS=long $(BIN)/python -m pytest -q -s --timeout 0 \
		tests/integration/control/notices/webhooks/test_killed_workers.py $(ARGS)

.PHONY: mutants
mutants: $(MUTANTS) ## Change the code one thing at a time: what no test notices
	@nice $(dir $(MUTANTS))bin/python -P -m tests.mutants $(ARGS)

.PHONY: lint
lint: $(READY) ## Check style, types and the import rules
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

.PHONY: fmt
fmt: $(READY) ## Format the code and mend what can be mended
	@$(BIN)/python -m ruff check --fix-only
	@$(BIN)/python -m ruff format

.PHONY: bench
bench: $(READY) ## Measure everything beside yardsticks of the same run: ten minutes
	@$(BIN)/python -m loadtest.bench $(ARGS)

.PHONY: bench-quick
bench-quick: $(READY) ## Measure for two minutes, and compare with the baseline
	@$(BIN)/python -m loadtest.bench --quick --compare docs/performance/baseline.json $(ARGS)

.PHONY: bench-data
bench-data: $(READY) ## Fill a large database and time what reads it; all of it: ARGS='--scale 1'
	@$(BIN)/python -P -m loadtest.data $(ARGS)

.PHONY: bench-exports
bench-exports: $(READY) ## Export a million sessions in every format, and compare the files
	@$(BIN)/python -P -m loadtest.exports $(ARGS)

.PHONY: streams
streams: $(READY) ## Have 2,000 clients follow events: memory, delivery, one that is stuck
	@$(BIN)/python -P -m loadtest.streams $(ARGS)

.PHONY: load
load: $(READY) ## Load a running `make up` with simulated stations; ARGS=--headful for the web page
	@$(BIN)/python -P -m loadtest.locust --headless $(ARGS)

.PHONY: docs
docs: $(READY) ## Write the reference pages anew from the code
	@$(BIN)/python -P -m docs.render_reference
	@$(BIN)/python -P -m docs.render_openapi
	@$(BIN)/python -P -m docs.render_conformance

.PHONY: lock
lock: | $(if $(filter .uv/%,$(UV)),$(UV)) ## Pin the packages anew (ARGS=--upgrade takes newer ones)
	@for list in 'production' 'development --extra up --extra loadtest --extra dev' \
		'mutants --extra up --extra dev --extra mutants --constraint requirements/development.txt'; \
	do \
		set -- $$list; name=$$1; shift; \
		$(UV) pip compile pyproject.toml "$$@" $(ARGS) -q --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --no-header -o requirements/$$name.txt || exit; \
	done

.PHONY: clean
clean: ## Remove what the other commands made, except the cluster's data in .voltaro
	@rm -rf .venv .venv-mutants .uv build dist mutants .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Locked where flock exists, as two `make test` may start side by side in a new checkout; the second
# then finds the work done.
$(READY): $(REQUIREMENTS)
$(MUTANTS): requirements/mutants.txt
$(READY) $(MUTANTS): pyproject.toml | $(if $(filter .uv/%,$(UV)),$(UV))
	@set -e; exec >&2; \
	venv=$(@D); requirements=$(filter requirements/%,$^); \
	if command -v flock >/dev/null; then exec 9<Makefile; flock 9; fi; \
	if [ $@ -nt $$requirements ] && [ $@ -nt pyproject.toml ]; then exit; fi; \
	if ! $$venv/bin/python -c '' 2>/dev/null; then \
		echo "Setting up $$venv with $(PYTHON)"; \
		rm -rf $$venv; \
		$(UV) venv -q --no-python-downloads --python $(PYTHON) $$venv; \
	fi; \
	$(UV) pip sync -q --python $$venv/bin/python $$requirements; \
	$(UV) pip install -q --python $$venv/bin/python --no-deps --no-build-isolation -e .; \
	touch $@

# Without venv: some distributions ship Python without what a venv needs, but with pip.
.uv/bin/uv:
	@echo "Fetching uv, which installs the packages" >&2
	@$(PYTHON) -m pip install -q --disable-pip-version-check --target .uv uv >&2 || \
		{ $(PYTHON) -m venv .uv && .uv/bin/python -m pip install -q uv; } >&2
