# make sweep    the main job: search for the best configuration (DATA=DIR for real recordings)
# make test     lint, types and tests
# make bench    what features, scan, step, sweep and engine cost, beside floors and others; GPU or not
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
NAME ?=
SPACE ?= search_spaces/quickstart.yaml

.PHONY: sweep test test-slow bench lint format types lock clean

sweep: .venv/ready
	$(BIN)/respsweep run $(SPACE) $(if $(NAME), --name $(NAME))$(if $(DATA), --data $(DATA))

test: lint types
	$(BIN)/pytest -m "not slow and not gpu"

test-slow: .venv/ready
	$(BIN)/pytest -m "slow and not gpu"

# Every table, even after one has missed a bar. On an idle machine: other jobs spoil the figures.
bench: .venv/ready
	missed=0; for script in features.py scan.py step.py sweep_cost.py "engine.py cost"; do \
		$(BIN)/python benchmarks/$$script || missed=1; done; exit $$missed

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/ready
	$(BIN)/basedpyright

# Only `make lock` needs uv; everything else installs what the lock says.
lock:
	uv pip compile pyproject.toml --extra cluster --extra dev --python-version 3.11 --universal \
		--no-emit-index-url --generate-hashes --no-annotate --upgrade -o requirements.lock

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf .venv .cache
