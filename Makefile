# `make demo` and `make test` need nothing but make and Python 3.11 or 3.12.

PYTHON := $(shell for name in python3.12 python3.11 python3 python; do \
	if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; \
	then echo $$name; break; fi; done)
VENV := .venv
READY := $(VENV)/.ready
TEST_READY := $(VENV)/.ready-test

.PHONY: demo test test-slow lint viewer clean

demo: $(READY)  ## build the demo into demo/
	$(VENV)/bin/digitalme demo --out demo

test: $(TEST_READY)  ## the fast tests
	$(VENV)/bin/python -m pytest

test-slow: $(TEST_READY)  ## the slow ones
	$(VENV)/bin/python -m pytest -m slow

lint: $(TEST_READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

viewer:  ## build the 3D view and the pages of live and studio (needs npm)
	cd tools/viewer && npm install --no-audit --no-fund --no-package-lock && npm run check && npm run build

$(READY): pyproject.toml constraints.txt tools/set_up.py
	@test -n "$(PYTHON)" || { echo "digitalme needs Python 3.11 or 3.12"; exit 1; }
	$(PYTHON) tools/set_up.py $(VENV)
	@touch $@

$(TEST_READY): $(READY)
	$(PYTHON) tools/set_up.py $(VENV) --extra test
	@touch $@

clean:
	rm -rf $(VENV) demo dist build
