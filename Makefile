# make run   installs into .venv and runs the main job with simulated hardware   (ARGS=--stay keeps it up)
# make install  installs the daemon alone, for a box at a gate
# make test  installs what the tests need and runs format, lint, types and tests
# make coverage  the same tests once more, counting the lines and branches that they reach (twice the work)
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check --quiet
ARGS   ?=

.PHONY: run test check tests coverage install install-dev mosquitto spin clean

run: $(VENV)/.demo
	$(BIN)/gatehouse demo $(ARGS)

test: $(VENV)/.dev mosquitto spin check tests

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

tests: $(VENV)/.dev
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

coverage: $(VENV)/.dev mosquitto spin
	$(BIN)/python -m pytest -n 3 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

install: $(BIN)/python
	$(PIP) install --upgrade pip
	$(PIP) install --prefer-binary -e .

install-dev: $(VENV)/.dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gatehouse needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 69; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python cannot make a virtual environment here. On Debian: sudo apt install python3-venv"; rm -rf $(VENV); exit 69; }

$(VENV)/.demo: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing Gatehouse and its demo into $(VENV) (one to three minutes the first time) ..."
	$(PIP) install --upgrade pip
	$(PIP) install --prefer-binary -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install --prefer-binary -e '.[dev]'
	@touch $@

mosquitto:
	@.ci/mosquitto

spin:
	@.ci/spin

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
