# From a fresh clone, `make book` and `make test` do all of their own set-up.
# They need Python 3.11 or newer and make. `make` alone lists what there is.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
ENV := $(VENV)/.installed
HTML := _build/html/index.html
PEERS := .venv-peers
# Heavy, and needed for `make lab` alone.
JUPYTERLAB := jupyterlab==4.6.6
GRADING := .venv-grading
GRADER := PYTHONPATH=tools:. $(PY) -m grading
BENCHMARKS := read_events column_heads training_step profile_step nt_xent

# One thread: sums are then added in one order, and two test workers do not fight over two cores.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export PYTHONHASHSEED ?= 0

.DEFAULT_GOAL := help
.PHONY: help book pdf serve notebooks lab assignments grade test test-quick test-all test-fresh lint format claims \
	experiments bench figures bench-peers env pins clean

help:
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

##@ Read
book: $(ENV)  ## run the chapters and build the book; says where it is
	@$(BIN)/jupyter-book build . -W -n --keep-going -q
	@$(PY) tools/check_site.py
	@echo "The book is in $(HTML)"
	@echo "Open file://$(CURDIR)/$(HTML), or run: make serve"

serve: book  ## build the book and show it at http://localhost:8000
	@$(PY) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

pdf: book  ## print the whole book to one PDF (needs Chromium)
	@$(PY) tools/print_book.py

lab: $(ENV)  ## open the notebooks in JupyterLab (installs it on first use)
	@test -x $(BIN)/jupyter-lab || $(PY) -m pip install --quiet $(JUPYTERLAB)
	@$(BIN)/jupyter-lab notebooks

##@ Write
notebooks: book  ## write notebooks/*.ipynb from the run of the book
	@$(PY) tools/export_notebooks.py
	@$(PY) tools/check_notebooks.py

format: $(ENV)  ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

##@ Teach
assignments: $(ENV) $(GRADING)/.installed  ## build the graded notebooks [CLASS_SEED=n SECRET_SEED=n MASTERS=folder]
	@$(GRADER).build $(if $(MASTERS),--masters "$(MASTERS)") $(if $(CLASS_SEED),--class-seed $(CLASS_SEED)) \
		$(if $(SECRET_SEED),--secret-seed $(SECRET_SEED))

grade: $(ENV) $(GRADING)/.installed  ## grade notebooks: SUBMISSIONS=folder [JOBS=n SECONDS=n ISOLATION=none]
	@test -n "$(SUBMISSIONS)" || { echo "error: name the folder of notebooks: make grade SUBMISSIONS=folder" >&2; exit 1; }
	@$(GRADER).grade "$(SUBMISSIONS)" --jobs $(or $(JOBS),1) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(ISOLATION),--isolation $(ISOLATION))

$(GRADING)/.installed: requirements-grading.txt
	@tools/make_env.sh $(GRADING) $^

##@ Check
test: lint $(GRADING)/.installed  ## all that a contributor needs: lint, tests, changed notebooks
	@$(PY) tools/check_notebooks.py
	@$(PY) tools/run_notebooks.py
	@$(GRADER).build --check
	@$(PY) -m pytest -n 2
	@echo "All checks passed."

test-quick: $(ENV)  ## the tests that take no more than seconds
	@$(PY) -m pytest -n 2 -m "not slow"

test-all: lint book $(GRADING)/.installed  ## everything: also every notebook, and the built pages
	@$(PY) tools/check_notebooks.py
	@$(PY) tools/run_notebooks.py --all
	@$(GRADER).build --check
	@OCSF_KILLS=20 OCSF_AXE=full $(PY) -m pytest -n 2
	@$(PY) tools/try_fresh.py

test-fresh: $(ENV)  ## run the notebooks in a new environment, from the wheel
	@$(PY) tools/try_fresh.py

lint: $(ENV)  ## ruff and mypy, also names in the notebooks
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@# A notebook lacks the cells that only glue numbers into prose: what is defined there alone is undefined.
	@$(BIN)/ruff check --quiet --isolated --select F821 notebooks/*.ipynb

claims: $(ENV)  ## check every finding that a page states against the results of the experiments
	@$(PY) tools/check_claims.py

experiments: $(ENV)  ## run what the results lack (all of it: hours); TABLES=folder for the labelled tables
	@$(PY) experiments/plan.py
	@$(PY) experiments/run_all.py $(if $(TABLES),--tables $(TABLES))

bench: $(ENV)  ## measure speed and memory on this machine
	@for name in $(BENCHMARKS); do echo "== $$name"; $(PY) benchmarks/$$name.py || exit 1; done

figures: book  ## requests, bytes and paint times of every page (needs Chromium)
	@$(PY) tools/page_figures.py

bench-peers: $(ENV) $(PEERS)/.installed  ## the same against PyTorch Tabular, TabularS3L and lightly
	@$(PY) benchmarks/against_peers.py
	@$(PY) benchmarks/nt_xent.py --other "$$($(PY) benchmarks/peers/lightly_loss.py)"

$(PEERS)/.installed: benchmarks/peers/requirements.txt benchmarks/peers/requirements-no-deps.txt
	@tools/make_env.sh $(PEERS) $^

##@ Keep house
env: $(ENV)  ## make the virtual environment in .venv
	@echo "The environment is in $(VENV); use it with: . $(BIN)/activate"

$(ENV): requirements.txt pyproject.toml
	@tools/make_env.sh $(VENV)

pins: $(ENV)  ## renew requirements.txt from what is installed now
	@$(PY) tools/pins.py

clean:  ## remove what was built, but for the environment
	rm -rf _build .make .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
