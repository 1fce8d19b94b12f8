# Two commands matter: `make demo` and `make test`. Both set everything up first; the second time
# the set-up does nothing, because the stamp is newer than every file it was made from. Bytecode is
# compiled there, once: where PYTHONDONTWRITEBYTECODE is set, every stage would compile it anew.
PYTHON ?= python3
# nproc would take OMP_NUM_THREADS for the number of cores.
CORES ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.installed
LOCKS := envs/installer.lock envs/requirements.lock envs/inception-weights.lock
export PATH := $(BIN):$(PATH)

.PHONY: help setup demo test gpu-test ui lint docs lock clean
help:
	@echo "make demo   run the whole pipeline on a simulated brain-MRI cohort (ten to fifteen minutes on two cores)"
	@echo "make test   run every test"
	@echo "make gpu-test  on a GPU: train, resume, sample, compare with the CPU, measure (five to ten minutes)"
	@echo "make ui     open the MLflow UI on what has run (http://127.0.0.1:5000)"
	@echo "make lint   ruff and snakemake --lint"
	@echo "make docs   write config/README.md from the settings' descriptions"
	@echo "make lock   resolve the dependencies anew and write envs/requirements.lock and environment.yaml"

setup: $(STAMP)

$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys, venv; ok = (3, 11) <= sys.version_info[:2] < (3, 14); sys.exit(0 if ok else f"synthcohort needs Python 3.11 to 3.13, this is {sys.version.split()[0]}; name another one with: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/installer.lock
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $(LOCKS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup
	snakemake --cores $(CORES)

# One thread a process: the processes share the cores already.
test: setup
	OMP_NUM_THREADS=1 pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

gpu-test: setup
	python benchmarks/gpu_test.py

ui: setup
	synthcohort ui

lint: setup
	ruff check . && ruff format --check .
	snakemake --lint

docs: setup
	python -m synthcohort.config.reference > config/README.md

lock: setup
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o envs/requirements.lock
	python envs/environment.py > envs/environment.yaml

clean:
	rm -rf $(VENV) .snakemake
