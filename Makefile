# make sweep    the main job: search for the best configuration (DATA=DIR for real recordings)
# make test     lint, types and all tests but those that take more than some ten seconds
# make test-slow these: whole studies, real servers, clusters of Linux namespaces
# make bench    what features, scan, step, sweep and engine cost, beside floors and others; GPU or not
# make gpu-check what a GPU makes of it, in under eight minutes; without a GPU a dry run on tiny sizes
# make licences the licences of all dependencies; make sbom: a bill of them as CycloneDX JSON
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
# Bytecode is kept, also where the environment says otherwise: each process would compile the code anew.
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
DATA ?=
NAME ?=
# SPRSound, known by its folders, has a search space of its own.
SPRSOUND = $(wildcard $(foreach inner,$(DATA) $(DATA)/BioCAS2022,$(inner)/train_wav $(inner)/train2022_wav))
SPACE ?= search_spaces/$(if $(and $(DATA),$(SPRSOUND)),sprsound_quick,quickstart).yaml

.PHONY: sweep test test-slow test-long bench gpu-check licences sbom lint format types lock clean

sweep: .venv/ready
	$(BIN)/respsweep run $(SPACE) $(if $(NAME), --name $(NAME))$(if $(DATA), --data $(DATA))

test: lint types
	$(PYTEST) -m "not slow and not long and not gpu"

# The clusters of Linux namespaces have the machine to themselves, but for as many others as there are JOBS: they say
# how soon their nodes are there.
NAMESPACES = tests/scenarios/cluster tests/scenarios/slurm

test-slow: .venv/dev-ready
	$(PYTEST) -m "slow and not long and not gpu" $(addprefix --ignore ,$(NAMESPACES))
	$(PYTEST) -m "slow and not long and not gpu" $(NAMESPACES)

# What quicker tests hold too, on its own and for longer: before a release, and after a change of what they are about.
test-long: .venv/dev-ready
	$(PYTEST) -m "long and not gpu" $(addprefix --ignore ,$(NAMESPACES))
	$(BIN)/pytest -m "long and not gpu" $(NAMESPACES)

# Every table, even after one has missed a bar. On an idle machine: other jobs spoil the figures.
bench: .venv/dev-ready
	missed=0; for script in features.py scan.py step.py sweep_cost.py frozen_heads.py "engine.py cost"; do \
		$(BIN)/python benchmarks/$$script || missed=1; done; exit $$missed

gpu-check: .venv/dev-ready
	$(BIN)/python benchmarks/gpu_check.py

licences: .venv/dev-ready
	$(BIN)/python tools/licences.py

sbom: .venv/dev-ready
	$(BIN)/python tools/sbom.py sbom.json

lint: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/dev-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/dev-ready
	$(BIN)/basedpyright

# Three locks, each without what the ones before hold: to run, for clusters, to develop. Only this needs uv; versions stay
# as they are, unless asked for newer ones: make lock UPGRADE=1.
UV_COMPILE = uv pip compile pyproject.toml --extra install --python-version 3.11 --universal --quiet \
	--no-header --no-annotate --no-emit-index-url --generate-hashes $(if $(UPGRADE),--upgrade)
LOCKED = sed -nE 's/^([a-z0-9._-]+)==.*/--no-emit-package \1/p'

lock:
	$(UV_COMPILE) -o requirements.lock
	$(UV_COMPILE) --extra cluster -c requirements.lock $$($(LOCKED) requirements.lock) -o requirements-cluster.lock
	$(UV_COMPILE) --extra cluster --extra dev -c requirements.lock -c requirements-cluster.lock \
		$$($(LOCKED) requirements.lock requirements-cluster.lock) -o requirements-dev.lock

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	@echo "Installing what requirements.lock names into .venv: about 6 GB, three to six minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

.venv/cluster-ready: requirements-cluster.lock .venv/ready
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-cluster.lock
	touch $@

.venv/dev-ready: requirements-dev.lock .venv/cluster-ready
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf .venv .cache
