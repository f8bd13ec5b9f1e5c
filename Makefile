# make cluster  a verified cluster of local machines      make test   everything that is tested
ENV    ?= local
PYTHON ?= python3.11
BIN    := .venv/bin

.PHONY: help cluster test check lint unit states services e2e molecule bench destroy clean

help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/ready: requirements.lock pyproject.toml packaging/controller/venv.sh
	@PYTHON=$(PYTHON) sh packaging/controller/venv.sh .venv
	@touch $@

cluster: .venv/ready  ## make and verify the cluster of ENV (local)
	@$(BIN)/bootstrap cluster --env $(ENV)

test: check services e2e  ## all tests; uses and leaves the cluster `local`

check: .venv/ready  ## fast: lint, types, unit tests, rendered states
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit states lint

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .

unit: .venv/ready
	@$(BIN)/python -m pytest -q tests/unit

states: .venv/ready
	@$(BIN)/python -m pytest -q tests/states

services: .venv/ready  ## real programs on loopback
	@$(BIN)/python -m pytest -q tests/services

e2e: .venv/ready  ## the cluster itself: converge, verify, break, recover
	@$(BIN)/python -m pytest -v --durations=25 tests/e2e

.venv-molecule/ready: .venv/ready molecule/requirements.lock
	@echo "preparing .venv-molecule" >&2
	@$(BIN)/python -m venv --clear .venv-molecule
	@.venv-molecule/bin/pip install --quiet --disable-pip-version-check --require-hashes -r molecule/requirements.lock
	@touch $@

molecule: .venv-molecule/ready  ## every scenario, one after the other; docs/molecule-runs.md says how they ended
	@$(BIN)/python molecule/run.py --record

bench: .venv/ready  ## what a run, a launch and a route cost, each against a floor
	@$(BIN)/python tests/bench/bench_cluster.py
	@$(BIN)/python tests/bench/bench_plan.py
	@$(BIN)/python tests/bench/bench_router.py
	@$(BIN)/python tests/bench/bench_scheduler.py
	@$(BIN)/python tests/bench/bench_launch.py
	@$(BIN)/python tests/bench/bench_ssh.py
	@$(BIN)/python tests/bench/bench_logs.py

destroy: .venv/ready  ## remove the machines of ENV
	@$(BIN)/bootstrap destroy --env $(ENV)

clean:           ## remove what was built in this checkout
	@rm -rf .venv .venv-molecule build .pytest_cache .mypy_cache .ruff_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
