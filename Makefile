# make help says what there is. Only Python (3.11 or newer) with venv, and make, need to be on the machine.

PYTHON ?= python3
UV_VERSION = 0.13.9

export UV_PYTHON_DOWNLOADS = never
export UV_PROJECT_ENVIRONMENT = .venv
export SAM_CLI_TELEMETRY = 0

UV = .local/uv/bin/uv
SYNC = $(UV) sync --quiet --locked --python "$(PYTHON)"
SETUP = .venv/.synced .venv-emulator/.synced .venv-audit/.synced
RUN = .venv/bin/python -m
QUICK_TESTS = tests/unit tests/contract
# Those that `make test` runs; all, unless other ones are named. CI names those that `make check` leaves out.
TESTS ?= tests
# The order of the tests, a random one for each commit: what is green here is green elsewhere. SEED=1 is another order.
SEED ?= $(shell printf %d 0x0$$(git rev-parse --short=7 HEAD 2>/dev/null))

.DEFAULT_GOAL := help
.PHONY: help setup demo start logs test check fuzz bench format lock clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(SETUP) ## make the locked environments

demo: $(SETUP) ## send a batch through the whole stack on this machine, and stop
	@$(RUN) local demo

start: $(SETUP) ## the whole stack on this machine, until Ctrl-C
	@$(RUN) local start

logs: $(SETUP) ## what the functions of a started stack have logged
	@$(RUN) local logs

test: $(SETUP) ## all tests: unit, integration, stack, contract
	@$(RUN) pytest --randomly-seed=$(SEED) $(TESTS)

check: $(SETUP) ## what takes seconds: ruff, mypy, unit and contract tests
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest --randomly-seed=$(SEED) $(QUICK_TESTS)

fuzz: $(SETUP) ## hostile input, far more than in the tests, for the parsers and the deployed stack
	@FUZZ_EXAMPLES=3000 $(RUN) pytest tests/unit/test_hostile_input.py tests/integration/test_unchanged.py tests/stack/test_fuzz.py --timeout 3600

bench: $(SETUP) .venv-peers/.synced ## what serving costs, as ratios
	@PYTHONPATH=.:layers/shared $(RUN) benchmarks

format: $(SETUP) ## lay the code out
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

lock: $(UV) ## lock the newest versions that pyproject.toml allows
	@$(UV) lock --upgrade --python "$(PYTHON)"
	@$(MAKE) --no-print-directory layers/shared/requirements.txt

clean: ## remove everything that make made
	rm -rf .local .venv .venv-emulator .venv-audit .venv-peers .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

layers/shared/requirements.txt: uv.lock | $(UV)
	@$(UV) export --quiet --locked --only-group layer --no-header --output-file $@ > /dev/null

$(UV):
	@command -v "$(PYTHON)" > /dev/null || { echo "error: $(PYTHON) is not on this machine: install Python 3.11 or newer, or set PYTHON." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than 3.11: set PYTHON to a newer one." >&2; exit 1; }
	@echo "Making the environments (once)"
	@"$(PYTHON)" -m venv .local/uv || { echo "error: $(PYTHON) cannot make virtual environments: install its venv package." >&2; exit 1; }
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.synced: uv.lock | $(UV)
	@$(SYNC)
	@touch $@

.venv-%/.synced: uv.lock | $(UV)
	@UV_PROJECT_ENVIRONMENT=.venv-$* $(SYNC) --only-group $*
	@touch $@
