# `make demo` deploys a demo cluster, `make test` runs every test. Both install the packages that they need, as root on Debian 12.
# The Python of Debian, if there is one: Debian builds it with optimizations, which saves 20 % of the time.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
PYTHON_NEWEST ?= python3.13
# The controller of the tests: `oldest` is ansible-core 2.19 with Python 3.11, `newest` is the newest ansible-core with PYTHON_NEWEST.
CONTROLLER ?= oldest
ifeq ($(CONTROLLER),newest)
VENV := .venv-newest
else ifeq ($(CONTROLLER),oldest)
VENV := .venv
else
$(error CONTROLLER is $(CONTROLLER): expected oldest or newest)
endif
# How a server of the demo finds the other nodes: `file` writes topology.yml to each host, `dns` uses SRV records.
DISCOVERY ?= file
ifneq ($(DISCOVERY),file)
ifneq ($(DISCOVERY),dns)
$(error DISCOVERY is $(DISCOVERY): expected file or dns)
endif
endif
# SECURE=1: the demo turns on TLS, passwords and the firewall.
SECURE ?=
ifneq ($(SECURE),)
ifeq ($(DISCOVERY),dns)
$(error SECURE does not work with DISCOVERY=dns: TLS and the firewall need the nodes of the inventory)
endif
endif
BIN := $(VENV)/bin
COLLECTIONS := .cache/collections
INSTALLED := $(COLLECTIONS)/ansible_collections/skywalking/banyandb/MANIFEST.json
# The files of a release. galaxy.yml lists the files that the tarball leaves out. `find` and not git, since a source archive has no git data.
SOURCES := $(shell find $(wildcard *.md *.rst LICENSE galaxy.yml changelogs/changelog.yaml docs meta playbooks plugins roles) \
	-type f ! -name '*.pyc')

export PATH := $(CURDIR)/$(BIN):$(PATH)
# The lab of the scenarios. Two runs at the same time need two labs. A name has at most 8 letters.
LAB ?= molecule
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/.cache/molecule/$(LAB)/state
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(COLLECTIONS)
# The release that the demo and the scenarios deploy: the simulator, or the server in BANYANDB_SERVER or BANYANDB_ARTIFACT.
ARTIFACT = $$($(BIN)/python -m tests.release_artifact)

# The simulator and the load client do not use Ansible, so one controller is enough for their tests.
UNIT := tests/unit $(if $(filter oldest,$(CONTROLLER)),tests/simulator tests/load)

.PHONY: help demo demo-down test test-deep bench lint sanity docs release unit property crash lab contract molecule matrix setup install clean

help: ## show this list
	@awk -F ':|## ' '/^[a-z-]+:.*## /{printf "%-10s %s\n", $$1, $$NF}' $(MAKEFILE_LIST)

demo: setup install ## deploy a cluster onto lab hosts, add a host by hot reload, show the cluster views; DISCOVERY=dns adds the host by a DNS record, SECURE=1 turns on TLS, passwords and the firewall
	BANYANDB_ARTIFACT=$(ARTIFACT) tests/demo/demo.sh $(DISCOVERY) $(SECURE)

demo-down: ## delete the hosts of the demo
	[ ! -e .cache/demo/dns ] || $(BIN)/python -m tests.dns .cache/demo/dns stop
	$(PYTHON) -m tests.lab --lab demo down

# Two jobs use both processors: each target builds its own requirements under a lock.
test: ## run every test, several at the same time; GATES="unit heal" runs only these
	$(MAKE) --no-print-directory --jobs=2 install $(if $(GATES),,.venv-newest/.complete)
	$(BIN)/python -m tests.gates $(GATES)

test-deep: setup ## run the property tests with 100,000 examples each, and the fuzzers with 100,000 inputs each
	BANYANDB_TEST_PROFILE=deep $(BIN)/python -m pytest tests/property tests/fuzz

bench: setup ## measure the figures and write docs/figures.md; BENCH="push deploy" measures only these
	$(BIN)/python -m tests.benchmarks $(BENCH)

lint: install ## run ruff, mypy, antsibull-docs and ansible-lint
	ruff check .
	MYPYPATH=$(COLLECTIONS) mypy -p ansible_collections.skywalking.banyandb.plugins
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all $(dir $(INSTALLED))
	ansible-lint --offline

sanity: $(VENV)/.complete ## run all tests of ansible-test sanity; TEST=pep8 runs only this test
	$(BIN)/python -m tests.sanity $(if $(TEST),--test $(TEST))

unit: setup ## run the unit tests, with ansible-core 2.19 also those of simulator and load client; CONTROLLER=newest uses the newest ansible-core
	$(BIN)/python -m pytest $(UNIT)

property: $(VENV)/.complete ## run the property tests with 10,000 examples each, and the fuzzers with 2,000 inputs each
	BANYANDB_TEST_PROFILE=ci $(BIN)/python -m pytest tests/property tests/fuzz

crash: setup ## kill pushes at every system call, fill disks, break connections
	$(BIN)/python -m pytest tests/crash

docs: install ## build the documentation site in .cache/docs
	$(BIN)/python docs/site/build.py .cache/docs
	$(BIN)/python -m pytest tests/docs

release: $(VENV)/.complete ## build the tarball, check its content, install and use the collection
	$(BIN)/python -m pytest tests/release

lab: setup ## run the tests of the lab
	$(BIN)/python -m pytest tests/lab

contract: setup ## test the measured behaviour of the server with the simulator, or with BANYANDB_SERVER
	$(BIN)/python -m pytest tests/contract

molecule: setup install ## run the scenarios on real systemd hosts; SCENARIO="hot_reload partition" runs only these
	rm -rf $(MOLECULE_EPHEMERAL_DIRECTORY)
	$(if $(filter old_and_new,$(or $(SCENARIO),old_and_new)),$(BIN)/python -m tests.lab setup bookworm bullseye trixie)
	BANYANDB_LAB=$(LAB) BANYANDB_ARTIFACT=$(ARTIFACT) molecule test $(if $(SCENARIO),$(SCENARIO:%=--scenario-name %),--all)

matrix: install ## run the unit tests and two scenarios with the newest ansible-core
	$(BIN)/python -m tests.gates unit_newest gate remove_and_readd

setup: $(VENV)/.complete ## create the Python environment and the root file system of the lab
	$(BIN)/python -m tests.lab setup

install: $(INSTALLED) ## build the collection and install it for the tests

.venv/.complete: meta/ee-requirements.txt requirements/controller.txt requirements/tests.txt requirements/dev.txt
	tests/python-environment.sh $(PYTHON) .venv requirements/dev.txt

.venv-newest/.complete: meta/ee-requirements.txt requirements/controller.txt requirements/tests.txt
	tests/python-environment.sh $(PYTHON_NEWEST) .venv-newest requirements/tests.txt

# The environment is an order-only requirement: a newer environment needs no new installation, and another run may use the current one.
$(INSTALLED): $(SOURCES) | $(VENV)/.complete
	rm -rf .cache/build
	ansible-galaxy collection build --force --output-path .cache/build
	ansible-galaxy collection install --force --no-deps --collections-path $(COLLECTIONS) .cache/build/*.tar.gz
	touch $@

clean: ## delete the Python environments and the cache
	rm -rf .venv .venv-newest .cache
