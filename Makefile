# Gridseal: everything that is done with the source. `make` alone lists it.
#
# 1. Every target makes what it needs: environments by lock/ with hashes, Debian packages as root.
# 2. An environment is made anew whenever its lock changes, and left alone otherwise.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
SECONDS ?=
RUNS ?=
ARGS ?=
UPGRADE ?=

export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

BIN := .venv/bin
# Twice quiet: what a machine's own configuration of pip has to warn of is not ours.
PIP := -m pip -qq install --no-deps
PIP_INSTALL := $(PIP) --require-hashes
# What an environment is made from; of setup.cfg, what comes before the settings of tests.
MADE_FROM = cat lock/*.txt pyproject.toml; sed '/^\[tool:pytest\]/,$$d' setup.cfg; echo $(CURDIR)
MADE := made-$(shell { $(MADE_FROM); } | sha256sum | cut -c1-16)

.PHONY: help venv oracle tpm debian python demo demo-provision test lint format soak bench hil \
    verifier lock clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

venv: .venv/$(MADE) ## The environment, with every extra and nothing else, in .venv

oracle: .oracle/$(MADE) ## Other people's implementations, in an environment of their own

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
	    echo "Gridseal needs Python 3.11 or later, and $(PYTHON) is not one: name it by PYTHON=" >&2
	    exit 1
	}

.venv/$(MADE): | python
	@.ci/debian venv
	echo "Making .venv: half a minute"
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) --only-binary :all: -r lock/all.txt
	# A peer of the benchmarks, published as source only; what builds it is now there, by its hash.
	$(BIN)/python $(PIP_INSTALL) --no-build-isolation -r lock/pypmu.txt
	# A plain path entry: setuptools' import hook would add 12 ms and 2 MB to every start.
	$(BIN)/python $(PIP) --no-build-isolation \
	    --config-settings editable_mode=compat --editable .
	touch $@

.oracle/$(MADE): | python
	@.ci/debian venv
	echo "Making .oracle"
	rm -rf .oracle
	$(PYTHON) -m venv .oracle
	.oracle/bin/python $(PIP_INSTALL) --only-binary :all: -r lock/oracle.txt
	touch $@

tpm: .venv/$(MADE)-tpm ## Into .venv what speaks to a TPM: source, built here, in 20 s

.venv/$(MADE)-tpm: | .venv/$(MADE)
	@if .ci/debian tpm; then
	    echo "Building tpm2-pytss"
	    $(BIN)/python $(PIP_INSTALL) --no-build-isolation -r lock/tpm.txt
	    touch $@
	elif [ -n "$${CI:-}" ]; then
	    exit 1
	fi

debian: ## The Debian packages that the environment and the tests need (as root)
	@.ci/debian venv
	.ci/debian tpm
	.ci/debian test

demo: venv ## Two utilities, their tie, one record, a page; SECONDS=15, or until Ctrl-C
	@$(BIN)/gridseal-hil demo $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

demo-provision: venv ## A gateway from nothing to its first receipted sample, typed for you
	@$(BIN)/gridseal-hil provision $(ARGS)

test: venv oracle tpm ## Every test; ARGS="-k spool" for some
	@.ci/debian test
	$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),.ci/test)

lint: venv ## Format, ruff, mypy, import contracts, house rules, and the wheel outside the checkout
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pip check
	$(BIN)/python -m pytest -q tests/test_house.py
	.ci/wheel

format: venv ## Lays out the source, and mends what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

soak: venv ## Ten minutes of memory, 10,000 simulated runs, fuzzing; SECONDS=60 RUNS=100 for less
	@$(BIN)/gridseal-hil bench soak --seconds $(or $(SECONDS),600) $(ARGS)
	$(BIN)/gridseal-hil sim --runs $(or $(RUNS),10000) --crash-points --week --jobs $$(nproc)
	$(BIN)/gridseal-hil fuzz --cases $$((10 * $(or $(RUNS),10000))) --from tests/vectors \
	    $(addprefix --from ,$(wildcard $(or $(GRIDSEAL_CAPTURES),../shared/captures)))

bench: venv ## All benchmarks, to a table and a picture in bench; ARGS="--quick" for a first look
	@.ci/debian test
	$(BIN)/gridseal-hil bench all $(ARGS)

# The shortest first. Those in simulated time take half a minute at most, however long they last;
# they are of no place, and say nothing of one that is not fake.
SIMULATED = $(if $(filter-out fake,$(PLACE)),,yes)
ALL = $(shell awk -v simulated=$(SIMULATED) '/^length_s/ { print $$3, FILENAME } \
    /^\[scenario\]/ && simulated { print 0, FILENAME }' hil/scenarios/*.toml | \
    sort -n | cut -d " " -f 2)

# Each time in a folder of its own: a report is never written over another.
HIL_REPORT = hil-report/$(shell date -u +%Y%m%dT%H%M%SZ)

hil: venv ## Scenarios, live ones in real time; SCENARIOS=link-loss PLACE=yours.toml ARGS=--short
	@.ci/debian test
	$(BIN)/gridseal-hil run $(or $(SCENARIOS),$(basename $(notdir $(ALL)))) \
	    --place $(or $(PLACE),fake) --report $(or $(REPORT),$(HIL_REPORT)) $(ARGS)

verifier: venv ## The lone verifier of bundles, and its SHA-256 to publish with a release, in dist
	@mkdir -p dist
	cd dist
	../$(BIN)/gridseal-record verifier --out verify.py > verify.py.sha256
	sha256sum --check verify.py.sha256

# Keeps what is pinned; UPGRADE=--upgrade takes the newest. Only the public index counts: what a
# machine's own configuration of pip adds stays out of the locks.
COMPILE = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u PIP_CONSTRAINT PIP_CONFIG_FILE=/dev/null \
    CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe \
    --generate-hashes --no-emit-options --annotation-style line $(UPGRADE)
COMPILE_OURS = $(COMPILE) -c lock/all.txt setup.cfg lock/build.in

lock: venv ## Writes lock/*.txt anew from setup.cfg and lock/*.in; UPGRADE=--upgrade
	@.ci/debian tpm
	$(COMPILE) --extra nats --extra modbus --extra gnss --extra pkcs11 --extra provisioning \
	    --extra record --extra postgresql --extra hil --extra test --extra lint -o lock/all.txt \
	    setup.cfg lock/build.in
	$(COMPILE_OURS) -o lock/gateway.txt
	$(COMPILE_OURS) --extra provisioning -o lock/provisioning.txt
	$(COMPILE_OURS) --extra nats --extra record --extra postgresql -o lock/record.txt
	$(COMPILE) -o lock/oracle.txt lock/oracle.in lock/build.in
	$(COMPILE) -o lock/pypmu.txt lock/pypmu.in
	$(COMPILE) -c lock/all.txt -o lock/tpm.txt lock/tpm.in
	sed -i '/^# The following packages are considered/d' lock/*.txt

clean: ## Removes the environments and everything that was made
	@rm -rf .venv .oracle .debian build dist *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find agent drivers evidence firmware_bridge hil provisioning record tests \
	    -name __pycache__ -prune -exec rm -rf {} +
