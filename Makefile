# Two commands matter: `make run` and `make test`. Everything they need they make themselves.
#   PORT=8000       the port that `make run` listens on, on this machine only
#   VAR=var         the folder of its data
#   BENCH=solver    which benchmark `make bench` runs: solver, booking or public

PORT ?= 8000
VAR ?= var
BENCH ?= solver
VENV ?= .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet install

.DEFAULT_GOAL := help
.PHONY: help run test check bench soak sweep migrations clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.runtime  ## Start the service with demo data; Ctrl-C stops it
	@exec $(PYTHON) -m platform_booking.demo --port "$(or $(PORT),8000)" --var "$(or $(VAR),var)"

test: check migrations $(VENV)/.browser  ## Check everything: style, types, migrations, tests, pages
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev  ## Style, format, types and import contracts
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

migrations: $(VENV)/.dev  ## Migrations up, compared with the models, down and up again
	$(PYTHON) -m pytest -q tests/test_migrations.py

.venv-peers: benchmarks/peers/requirements.txt | $(PYTHON)  ## What BENCH=public compares with
	@$(PYTHON) -m venv $@
	@$@/bin/python -m pip --disable-pip-version-check --quiet install -r benchmarks/peers/requirements.txt
	@touch $@

bench: $(VENV)/.dev $(if $(filter public,$(BENCH)),.venv-peers)  ## Measure: BENCH=solver and others in benchmarks/
	$(PYTHON) -m benchmarks.$(BENCH)

soak: $(VENV)/.dev  ## 20,000 mixed attempts by 16 clients, judged; some ten minutes
	$(PYTHON) -m tests.soak

sweep: $(VENV)/.browser  ## What `make test` takes a share of, whole: values, attempts, pages; some six minutes
	$(PYTHON) -m pytest -q --whole tests/security/test_malformed.py tests/bookings/test_race.py tests/test_pages.py

clean:  ## Remove .venv and caches; data under var/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(PYTHON):
	@set -e; for python in python3.12 python3.11 python3.13 python3 python; do \
	  if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
	      >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$python" --version) ..."; \
	    exec "$$python" -m venv "$(VENV)"; \
	  fi; \
	done; \
	echo "Python 3.11 or newer with its venv module is needed. On Debian or Ubuntu:" >&2; \
	echo "  apt-get install python3 python3-venv" >&2; exit 1

# Stamps: a folder is installed into again only when its list has changed.
$(VENV)/.runtime: requirements.txt requirements-embedded.txt | $(PYTHON)
	@echo "Installing what the service needs ..."
	@$(PIP) -r requirements.txt -r requirements-embedded.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what developing needs ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	@$(PYTHON) -m tests.browser
	@touch $@
