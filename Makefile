# make app    everything from a fresh clone to the running page
# make check  form, imports, types and what needs neither browser nor training
# make test   everything from a fresh clone to the checked project
# make format put the code into the checked form
#
# TORCH_INDEX: package index for torch, e.g. PyTorch's own index of CPU builds (see README); default: your pip's.
# PYTHON:      the Python to make .venv from, 3.11 or newer.

PYTHON ?= python3
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUNTIME_PACKAGES := $(shell cat packages.txt)
WEB := emage/ui/web
# The machine's npm, or that of requirements.txt.
NPM := PATH="$$PATH:$(CURDIR)/$(BIN)" npm --prefix $(WEB)
FORM = $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(NPM) run --silent check

.PHONY: app check test format clean

app: $(VENV)/.runtime
	$(BIN)/python app.py

check: $(VENV)/.dev $(VENV)/.web
	$(FORM)
	$(BIN)/python -m pytest -m "not browser and not slow"

test: $(VENV)/.dev $(VENV)/.web $(VENV)/.browser
	$(FORM)
	$(BIN)/python -m pytest

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(WEB)/node_modules

# The stamps below say what is installed; a step runs again only when the file it installs from is newer. System packages
# and the browser are stamped only once they are there, so that what is missing is said at every start, and what comes
# after them does not wait for them.

$(VENV)/.packages: .ci/system_packages.sh packages.txt
	sh .ci/system_packages.sh $@ $(RUNTIME_PACKAGES) -- $(PYTHON)

$(VENV)/.venv: | $(VENV)/.packages
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.torch: $(VENV)/.venv
	$(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	touch $@

$(VENV)/.runtime: $(VENV)/.torch requirements.txt
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt requirements-train.txt
	$(PIP) -r requirements-dev.txt
	touch $@

$(VENV)/.web: $(WEB)/package-lock.json | $(VENV)/.runtime
	$(NPM) ci --no-audit --no-fund
	touch $@

$(VENV)/.browser: .ci/browser.sh | $(VENV)/.dev
	sh .ci/browser.sh $@ $(PYTHON) $(BIN)/python
