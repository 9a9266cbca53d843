# Fresh machine to result: `make demo`, then `make test`. Needs make, git and Python 3.11 or newer.

PYTHON ?= python3
QUAYWATCH_VENV ?= .venv
PIP_ARGS ?=
PYTEST_ARGS ?=
WEIGHTS ?= port-n4

VENV := $(QUAYWATCH_VENV)
BIN := $(VENV)/bin
CARD := $(or $(OUT),runs/card)
MADE := $(CARD)/$(notdir $(WEIGHTS:.safetensors=)).safetensors
STAMP := $(VENV)/.quaywatch-$(shell cat requirements.lock pyproject.toml | cksum | tr ' ' '-')

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint docs bench accuracy card counting mutants kills faults fuzz soak audit sbom clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)
	@echo
	@echo '  PYTHON=python3.12           another Python'
	@echo '  PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"'
	@echo '                              torch without CUDA: a much smaller download'
	@echo '  QUAYWATCH_VENV=/some/dir    another place for the virtual environment (.venv)'
	@echo '  PYTEST_ARGS="-k merge"      for make test'

setup: $(STAMP)  ## the virtual environment, once for each state of requirements.lock

demo: $(STAMP)  ## the main job on rendered port scenes, results in demo/
	$(BIN)/python -m detector demo

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

lint: $(STAMP)  ## ruff, mypy and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(STAMP)  ## the documentation as a site, in .cache/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(STAMP)  ## all measurements, or one: BENCH=throughput ARGS=--docs; takes long
	@for file in $(if $(BENCH),benchmarks/$(BENCH).py,$$(grep -l '__main__' benchmarks/*.py)); do \
		$(BIN)/python -m benchmarks.$$(basename $$file .py) $(ARGS) || exit 1; \
	done

accuracy: $(STAMP)  ## all of docs/accuracy.md, WEIGHTS=name; goes on where it was cut
	$(BIN)/python -m benchmarks.accuracy --weights $(WEIGHTS) --docs docs/accuracy.md

card: $(STAMP)  ## thresholds, metrics, intervals of WEIGHTS=name into runs/card; SISTER=file, see docs/counting.md
	$(BIN)/python -m detector card weights=$(WEIGHTS) thresholds_from=$(or $(THRESHOLDS),train) \
		also=dev2 sister=$(or $(SISTER),null) check_ports=24 out=$(CARD)

counting: $(STAMP)  ## tables of counts, lengths and stacks in docs/ for WEIGHTS=name, after make card
	$(BIN)/python -m benchmarks.counting --weights $(MADE) --skip-series --sites $(or $(SITES),40) \
		--parts $(CARD)/parts --docs
	$(BIN)/python -m benchmarks.lengths --weights $(MADE) --card $(CARD) --docs
	$(BIN)/python -m benchmarks.stacks_zones --weights $(MADE) --parts $(CARD)/parts --docs

audit: $(STAMP)  ## known weaknesses of the pinned packages; says so where nobody can be asked
	$(BIN)/python tools/audit.py

sbom: $(STAMP)  ## what the wheel is made of, as CycloneDX, into sbom.cdx.json
	$(BIN)/python tools/sbom.py sbom.cdx.json

fuzz: $(STAMP)  ## damaged inputs to every reader, FUZZ=100000; takes an hour or two
	QUAYWATCH_FUZZ=$(or $(FUZZ),100000) $(BIN)/python -m pytest tests/fuzz

faults: $(STAMP)  ## every file that a run writes with every fault, and a hostile machine
	QUAYWATCH_FAULTS=all $(BIN)/python -m pytest tests/faults tests/prediction/test_faults.py

soak: $(STAMP)  ## memory, handles and time of SCENES=2000 small scenes and one of GIGAPIXELS=4
	$(BIN)/python -m benchmarks.soak --scenes $(or $(SCENES),2000) \
		--gigapixels $(or $(GIGAPIXELS),4) --docs

kills: $(STAMP)  ## runs killed at random moments and repeated, KILLS=50
	QUAYWATCH_KILLS=$(or $(KILLS),50) $(BIN)/python -m pytest tests/prediction/test_checkpoint.py

mutants: $(STAMP)  ## mutation testing, a night long: fails below 85 % killed, MINUTES=480
	$(BIN)/python tools/mutants.py --seed $$(date +%j) --minutes $(or $(MINUTES),480) \
		--json mutants.json

clean:  ## remove what make made, the virtual environment too
	rm -rf .venv demo runs build dist mutants.json sbom.cdx.json .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml tools/preflight.py
	@$(PYTHON) tools/preflight.py $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.quaywatch-*
	@touch $@
