# Everything a person or CI does with this repository. `make serve` and `make test` set up what they need by themselves.
.DEFAULT_GOAL := help
.PHONY: help serve test setup lint fmt types arch spec check coverage docs vectors lock bench rivals clean
SHELL := /bin/sh

VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
SERVE_READY := $(VENV)/.installed-serve
DEV_READY := $(VENV)/.installed-dev
export PYTHON

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(SERVE_READY) ## Set up what the server needs and serve; ARGS="--port 8000" passes options on.
	@exec $(BIN)/netplay serve $(ARGS)

test: check ## Set up everything and run every check and test; ARGS="-k name" passes options to pytest.
	$(BIN)/python -m pytest $(ARGS)

setup: $(DEV_READY) ## Set up the development environment only.

check: lint types arch spec ## Lint, types, import rules and protocol documents, without the tests.

lint: $(DEV_READY) ## Style: ruff.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(DEV_READY) ## Mend what ruff can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV_READY) ## Types: mypy --strict.
	$(BIN)/mypy

arch: $(DEV_READY) ## Which package may import which: import-linter.
	$(BIN)/lint-imports

spec: $(DEV_READY) ## Check every test vector from the protocol documents alone.
	$(BIN)/python scripts/verify_spec.py

docs: $(DEV_READY) ## Write the documents that are made from code.
	$(BIN)/python scripts/write_configuration_doc.py

vectors: $(DEV_READY) ## Write the test vectors of the protocol documents.
	for script in scripts/*vectors*.py; do $(BIN)/python $$script || exit 1; done

lock: $(DEV_READY) ## Pin the requirements anew; UPGRADE=1 takes newer versions.
	scripts/lock.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)

coverage: $(DEV_READY) ## Branch coverage of netcore, messaging and hub by their own tests (docs/quality.md).
	$(BIN)/python -m pytest tests/netcore tests/messaging tests/hub --cov=netcore --cov=messaging --cov=hub \
		--cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=95 $(ARGS)

bench: $(DEV_READY) ## Measure every scenario against its bars.
	$(BIN)/netplay bench check $(ARGS)

rivals: $(DEV_READY) ## Add the compiled rivals that the bench suite compares with.
	@scripts/environment.sh $(VENV) rivals

clean: ## Remove the environment, caches and builds.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +

$(SERVE_READY): pyproject.toml requirements/serve.txt scripts/environment.sh
	@scripts/environment.sh $(VENV) serve

$(DEV_READY): pyproject.toml requirements/dev.txt scripts/environment.sh
	@scripts/environment.sh $(VENV) dev
