# `make demo` shows the collection at work, `make test` runs every test. Both install what they need, as root on Debian 12.
# Debian's own interpreter where there is one: it was built optimized, as one of pyenv's seldom is, which takes a fifth of the time away.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
PYTHON_NEWEST ?= python3.13
# Which controller the tests run on: `oldest` is ansible-core 2.19, by Python 3.11; `newest` the newest one, by PYTHON_NEWEST.
CONTROLLER ?= oldest
ifeq ($(CONTROLLER),newest)
VENV := .venv-newest
else ifeq ($(CONTROLLER),oldest)
VENV := .venv
else
$(error CONTROLLER is $(CONTROLLER): expected oldest or newest)
endif
# How the servers of the demo find each other: `file` is a topology.yml on each host, `dns` asks for SRV records.
DISCOVERY ?= file
ifneq ($(DISCOVERY),file)
ifneq ($(DISCOVERY),dns)
$(error DISCOVERY is $(DISCOVERY): expected file or dns)
endif
endif
BIN := $(VENV)/bin
COLLECTIONS := .cache/collections
INSTALLED := $(COLLECTIONS)/ansible_collections/skywalking/banyandb/MANIFEST.json
# The files of a release. galaxy.yml names the files of these folders that the tarball leaves out. No git: a source archive has none.
SOURCES := $(shell find $(wildcard *.md LICENSE galaxy.yml changelogs/changelog.yaml docs extensions/eda meta playbooks plugins roles) \
	-type f ! -name '*.pyc')

export PATH := $(CURDIR)/$(BIN):$(PATH)
# The lab of the scenarios. Two runs of them at a time need two, by names of up to 8 letters.
LAB ?= molecule
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/.cache/molecule/$(LAB)/state
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(COLLECTIONS)
# The release that the demo and the scenarios deploy: the simulator's, or what BANYANDB_SERVER or BANYANDB_ARTIFACT name.
ARTIFACT = $$($(BIN)/python -m tests.release_artifact)

# The simulator and the load client know nothing of Ansible.
UNIT := tests/unit $(if $(filter oldest,$(CONTROLLER)),tests/simulator tests/load)

.PHONY: help demo demo-down test test-deep bench lint sanity docs release unit property crash lab contract molecule matrix setup install clean

help: ## show this
	@awk -F ':|## ' '/^[a-z-]+:.*## /{printf "%-10s %s\n", $$1, $$NF}' $(MAKEFILE_LIST)

demo: setup install ## deploy a cluster onto lab hosts, add a host by hot reload, show who sees whom; DISCOVERY=dns adds it by a DNS record
	BANYANDB_ARTIFACT=$(ARTIFACT) tests/demo/demo.sh $(DISCOVERY)

demo-down: ## take the demo's hosts down
	[ ! -e .cache/demo/dns ] || $(BIN)/python -m tests.dns .cache/demo/dns stop
	$(PYTHON) -m tests.lab --lab demo down

# Each target has what it needs made, under a lock; so two processors have something to do meanwhile.
test: ## run every test, some side by side; GATES="unit heal" runs some
	$(MAKE) --no-print-directory --jobs=2 install $(if $(GATES),,.venv-newest/.complete)
	$(BIN)/python -m tests.gates $(GATES)

test-deep: setup ## the property tests with 100,000 examples each, the fuzzers with as many inputs
	BANYANDB_TEST_PROFILE=deep $(BIN)/python -m pytest tests/property tests/fuzz

bench: setup ## measure, as ratios in one run, and write docs/figures.md; BENCH="push deploy" runs some
	$(BIN)/python -m tests.benchmarks $(BENCH)

lint: install ## ruff, mypy, antsibull-docs and ansible-lint
	ruff check .
	MYPYPATH=$(COLLECTIONS) mypy -p ansible_collections.skywalking.banyandb.plugins
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all $(dir $(INSTALLED))
	ansible-lint --offline

sanity: $(VENV)/.complete ## all tests of ansible-test sanity; TEST=pep8 runs one
	$(BIN)/python -m tests.sanity $(if $(TEST),--test $(TEST))

unit: setup ## model, host, controller and module tests, on the oldest ansible-core also simulator and load client; CONTROLLER=newest has the newest
	$(BIN)/python -m pytest $(UNIT)

property: $(VENV)/.complete ## what must hold of the model, 10,000 examples each; the fuzzers with 2,000 inputs each
	BANYANDB_TEST_PROFILE=ci $(BIN)/python -m pytest tests/property tests/fuzz

crash: setup ## pushes killed at every call, disks full, connections lost
	$(BIN)/python -m pytest tests/crash

docs: install ## build the documentation site in .cache/docs
	$(BIN)/python docs/site/build.py .cache/docs
	$(BIN)/python -m pytest tests/docs

release: $(VENV)/.complete ## build the tarball, check its content, install and use it
	$(BIN)/python -m pytest tests/release

lab: setup ## tests of the lab itself
	$(BIN)/python -m pytest tests/lab

contract: setup ## the server's measured behaviour, shown by the simulator (or by BANYANDB_SERVER)
	$(BIN)/python -m pytest tests/contract

molecule: setup install ## scenarios on real systemd hosts; SCENARIO="hot_reload partition" runs some
	rm -rf $(MOLECULE_EPHEMERAL_DIRECTORY)
	$(if $(filter old_and_new,$(or $(SCENARIO),old_and_new)),$(BIN)/python -m tests.lab setup bookworm bullseye trixie)
	BANYANDB_LAB=$(LAB) BANYANDB_ARTIFACT=$(ARTIFACT) molecule test $(if $(SCENARIO),$(SCENARIO:%=--scenario-name %),--all)

matrix: install ## the unit tests and two scenarios on the newest ansible-core
	$(BIN)/python -m tests.gates unit_newest gate remove_and_readd

setup: $(VENV)/.complete ## make the Python environment and the lab's root file system
	$(BIN)/python -m tests.lab setup

install: $(INSTALLED) ## build the collection and install it where the tests use it

.venv/.complete: meta/ee-requirements.txt requirements/controller.txt requirements/tests.txt requirements/dev.txt
	tests/python-environment.sh $(PYTHON) .venv requirements/dev.txt

.venv-newest/.complete: meta/ee-requirements.txt requirements/controller.txt requirements/tests.txt
	tests/python-environment.sh $(PYTHON_NEWEST) .venv-newest requirements/tests.txt

# Whichever of the two environments is younger, what is installed is the same, and somebody may be using it.
$(INSTALLED): $(SOURCES) | $(VENV)/.complete
	rm -rf .cache/build
	ansible-galaxy collection build --force --output-path .cache/build
	ansible-galaxy collection install --force --no-deps --collections-path $(COLLECTIONS) .cache/build/*.tar.gz
	touch $@

clean: ## remove everything that make has made here
	rm -rf .venv .venv-newest .cache
