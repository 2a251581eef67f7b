# Everything runs in .venv, made on first use from constraints.txt. Needs Python 3.11 or newer with venv and pip.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
KERNEL_TESTS := tests/calibration tests/curve/test_sky_mask.py tests/curve/test_trails.py
DEMO   ?= demo
NEWEST ?= .venv-newest
MINUTES ?= 10
# Tests wait for processes and answers now and then: one process more than the cores of a small machine.
TESTERS ?= 3
SAMPLE ?= 60

.PHONY: help install demo test test-quick fuzz mutants coverage check docs live bench study supply newest differential compare faults crowded clean

help:
	@echo "make demo    everything on a simulated visit, in ./$(DEMO) (no network)"
	@echo "make test    the test suite"
	@echo "make test-quick  the tests without the slow ones, in under a minute"
	@echo "make fuzz    the properties with many drawn cases, then damaged inputs (long); SEED=n repeats a run, MINUTES=10 a door"
	@echo "make mutants  small changes of the code that no test notices (long); SAMPLE=60 of each room"
	@echo "make coverage    lines and branches that the tests reach, in ./htmlcov"
	@echo "make check   ruff and mypy"
	@echo "make docs    the documentation as a site, in ./site (no network)"
	@echo "make live    the checks of doctor and validate against MAST, S3 and CRDS (network)"
	@echo "make bench   speed, compared with similar programs"
	@echo "make study   the studies behind the score (long)"
	@echo "make supply  licences, bill of materials, known vulnerabilities (network, where there is one)"
	@echo "make newest  the quick tests with the newest release of every dependency, in ./$(NEWEST) (network)"
	@echo "make differential  beside STScI's programs, on cases drawn anew; MINUTES=10, SEED="
	@echo "make compare VERSION=v0.1.0  beside another version of the package"
	@echo "make faults  calls for input and output of commands fail, one a run; FAULTS=--all for every call (hours)"
	@echo "make crowded  a survey with workers killed, a failing archive, a compaction and readers; EXPOSURES=2000, CROWDED=options"
	@echo "make clean   remove $(VENV) and what the tools left behind"

install: $(VENV)/.installed

# An older pip takes a minute longer, and would compile all libraries on one core, with their tests. A few files cannot be compiled.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("wfc3tvb needs Python 3.11 or newer; try: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25'
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/site-packages/.+/tests?/.*test_' $(VENV)/lib src || true
	@touch $@

demo: install
	$(BIN)/wfc3tvb demo $(DEMO)

test: install
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --durations=20

test-quick: install
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile -m 'not slow'

SEED ?= $(shell date +%s)
fuzz: install
	@echo "seed $(SEED)"
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest --hypothesis-seed=$(SEED) tests/properties
	$(BIN)/python -m tools.fuzz --seed $(SEED) --minutes $(MINUTES)

# Kernels run in plain Python: their compiled code cannot be changed.
mutants: install
	$(BIN)/python -m tools.mutation --sample $(SAMPLE) --seed $(SEED)

# Compiled code cannot be traced: the kernels' own tests run once more in plain Python.
coverage: install
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --cov --cov-report= --cov-fail-under=0
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n $(TESTERS) --dist loadfile -m 'not compiled' --cov --cov-append --cov-report= \
		--cov-fail-under=0 -W ignore::RuntimeWarning $(KERNEL_TESTS)
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers auto

# The theme prints advice on its successor at every build.
docs: install
	$(BIN)/python tools/generate_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

live: install
	$(BIN)/wfc3tvb doctor --live
	$(BIN)/wfc3tvb validate --live

bench: install
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

study: install
	@for name in injection engine causes methods fast; do echo "== study/$$name.py"; $(BIN)/python study/$$name.py || exit 1; done

# Exit status 2 of the second: there is no network, which it says.
supply: install
	$(BIN)/python tools/supply.py
	$(BIN)/python tools/advisories.py || test $$? -eq 2

# Its own environment, without constraints.txt.
newest:
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25'
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --editable '.[dev]'
	$(NEWEST)/bin/python tools/newer.py
	$(NEWEST)/bin/python -m pytest -n $(TESTERS) --dist loadfile -m 'not slow'

differential: install
	$(BIN)/python -m tools.differential --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

faults: install
	$(BIN)/python -m tools.faults --seed $(SEED) $(FAULTS)

EXPOSURES ?= 2000
crowded: install
	$(BIN)/python -m tools.crowded --exposures $(EXPOSURES) --seed $(SEED) $(CROWDED)

compare: install
	$(BIN)/python tools/compare_versions.py $(VERSION)

clean:
	rm -rf $(VENV) $(NEWEST) .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov dist build site
