# Two commands from nothing: `make run` compresses the built-in quickstart, `make test` runs every check.
# Both stand on `make install`, which makes .venv with everything. Needs Python 3.11 to 3.13 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

# Where it is set, every process would compile what it imports anew; the tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test lint install browser clean

run: $(READY)
	$(BIN)/compress run

# A worker a core with one thread each, since threads of two trainings that share cores wait for each other; and one
# more for what waits for processes, sockets and browsers.
# The types are checked beside the tests, which leave a core idle now and then.
test: $(READY) browser
	$(MAKE) -s lint & \
	  OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $$($(PYTHON) -c 'import os; print(os.cpu_count() + 1)') --dist worksteal; \
	  tests=$$?; wait $$! || exit 1; exit $$tests

lint: $(READY)
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/lint-imports
	$(BIN)/mypy

install: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed; set PYTHON=python3.12, say")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[all]'
	touch $(READY)

# The page is tested in a real browser where one can be had; without it those tests are skipped, and say so.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || echo "no Chromium: browser tests will be skipped"; \
	  else echo "no Chromium: browser tests will be skipped"; fi

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
