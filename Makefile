# Everything that a machine with Python 3.11, git and internet needs: `make run` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run observe test lint types bench soak cluster fuzz eval artefacts clean

run: $(READY)
	@exec $(BIN)/python -m aam run

observe: $(READY)
	@exec $(BIN)/python -m aam observe

# What needs neither a browser nor Ray runs in two processes; a browser's driver holds an event loop of its own, and
# Ray's tests need both cores.
test: artefacts
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --ignore tests/ray --ignore tests/browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope tests/browser
	$(BIN)/python -m pytest tests/ray

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

bench: artefacts
	$(BIN)/python -m bench.simulation
	$(BIN)/python -m bench.retrieval
	$(BIN)/python -m bench.store
	$(BIN)/python -m bench

soak: artefacts
	$(BIN)/python -m bench.soak
	$(BIN)/python -m bench.outside_soak

cluster: artefacts
	$(BIN)/python -m bench.cluster
	$(BIN)/python -m bench.cluster --loss

fuzz: artefacts
	$(BIN)/python -m bench.schema --cases 5000

eval: artefacts
	$(BIN)/python -m models.report

artefacts: $(READY)
	@$(BIN)/python -m aam build

$(READY): constraints.txt pyproject.toml
	@echo "Setting up the environment; the first time takes some minutes."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed; say which with PYTHON=/path/to/python3.11."; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[build,dev]'
	@touch $@

clean:
	rm -rf $(VENV) var
