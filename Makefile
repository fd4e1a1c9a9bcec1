# care_bench. Two commands do everything: make reproduce, make test. They need Python 3.11 or newer, make and git.
.DELETE_ON_ERROR:
.PHONY: help setup reproduce test test-all theory lint bench lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),$(BIN)/uv)
LOG := results/logs/smoke/report.log
THREADS_OFF := OMP_NUM_THREADS=1
PYTEST := $(THREADS_OFF) $(BIN)/python -m pytest -q

help:
	@echo "make reproduce  set up, run the default profile, write the report"
	@echo "make test       set up, run the tests but for the long suites"
	@echo "make test-all   set up, run all tests, the long suites too (markers mutation, faults, slurm, long)"
	@echo "make theory     set up, check every statement of the theory; the next report has its table"
	@echo "make setup      set up .venv with everything for development"
	@echo "make lint       ruff, mypy --strict, snakefmt, snakemake --lint"
	@echo "make bench      measure speed against the usual ways, as ratios"
	@echo "make lock       compile the hashed lock files again"

setup: $(VENV)/dev.stamp

reproduce: $(VENV)/run.stamp
	@echo "reproduce: running the default profile (workflows/config/smoke.yaml); logs in results/logs"
	@$(BIN)/python -m care_bench.follow $(BIN)/snakemake --cores all --quiet rules host --show-failed-logs \
		|| { echo "reproduce: snakemake stopped, see above; logs of jobs are in results/logs" >&2; exit 1; }
	@if [ -e $(LOG) ] && [ -z "$$(find results/pinned results/reference -newer $(LOG))" ]; then cat $(LOG); \
		else $(BIN)/python -m care_bench.report results --collection smoke; fi

test: $(VENV)/dev.stamp
	@echo "test: running the tests but for the long suites"
	@$(PYTEST) -n auto --dist loadfile -m "not mutation and not faults and not slurm and not long" tests

test-all: $(VENV)/dev.stamp
	@echo "test-all: running all tests"
	@$(PYTEST) -n auto --dist loadfile tests

theory: $(VENV)/dev.stamp
	@echo "theory: checking the statements of the paper"
	@$(PYTEST) -p no:cacheprovider theory_checks --ledger results/theory/ledger.jsonl

lint: $(VENV)/dev.stamp
	@echo "lint: ruff, mypy, snakefmt, snakemake --lint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/snakefmt --check --compact-diff Snakefile workflows
	@$(BIN)/snakemake --lint

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m benchmarks

lock: $(VENV)/dev.stamp
	@echo "lock: compiling requirements/*.lock from pyproject.toml"
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--all-extras pyproject.toml -o requirements/dev.lock
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--extra report --extra workflow --extra build -c requirements/dev.lock pyproject.toml -o requirements/run.lock

clean:
	rm -rf $(VENV) .snakemake

# What dev.lock holds is more than run.lock with the same versions, so a development set-up serves both.
$(VENV)/run.stamp: requirements/run.lock pyproject.toml
	@if [ $(VENV)/dev.stamp -nt requirements/dev.lock ] && [ $(VENV)/dev.stamp -nt pyproject.toml ]; \
		then touch $@; else sh requirements/install.sh run "$(PYTHON)"; fi

$(VENV)/dev.stamp: requirements/dev.lock pyproject.toml
	@sh requirements/install.sh dev "$(PYTHON)"
