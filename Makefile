# Every target may be run again: what is done is not done twice.
#
#   make demo       an interview to try, on this machine: prints the host's link and a candidate's
#   make test       everything this repository tests, with the real services it needs
#   make help       all targets
#
# Variables: ARGS="…" goes to the program behind `demo`, `test`, `test-<folder>`, `soak`, `bench`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUNBUFFERED := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export npm_config_update_notifier := false

ARGS ?=
say = @printf '\n\033[1m==> %s\033[0m\n'

venv := .venv/pyvenv.cfg
python_stamp := .venv/.installed
node_stamp := labextension/node_modules/.interview-lock.json
peers := tests/benchmarks/peers
peers_stamp := $(peers)/node_modules/.interview-lock.json
wasm := interview_ext/sandbox/wasm
wasm_stamp := $(wasm)/node_modules/.interview-lock.json
front_end := interview_ext/labextension/static/style.js
front_end_sources := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) \
  labextension/package.json labextension/tsconfig.json

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z<>%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z%-]+):.*## /\1\t/' | sed 's/%/<folder>/' | \
	  while IFS=$$'\t' read -r name what; do printf '  %-16s %s\n' "$$name" "$$what"; done

# --- installing ------------------------------------------------------------------------------

.PHONY: install
install: $(python_stamp) $(front_end) $(wasm_stamp) ## make .venv, install the package and its tools, build the front end
	@scripts/link-labextension.sh

$(venv):
	$(say) "Virtual environment (.venv)"
	@scripts/make-venv.sh

# An editable install copies what it finds into .venv/share; the link to the built front end,
# which that would write through, is taken away first and made anew by `install`.
$(python_stamp): pyproject.toml hatch_build.py jupyter-config/install.json \
  $(wildcard jupyter-config/server-config/*.json) $(wildcard interview_ext/sandbox/kernelspecs/*/*) | $(venv)
	$(say) "Python packages"
	@scripts/link-labextension.sh --remove
	@.venv/bin/pip install --progress-bar on --editable '.[test,lint,docs]' | grep -vE '^(Requirement already|  (Obtaining|Using))' || true
	@.venv/bin/pip check
	@touch $@

$(node_stamp): labextension/package-lock.json | $(python_stamp)
	$(say) "Node packages"
	@cmp -s $< $@ || (cd labextension && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.interview-lock.json)
	@touch $@

$(wasm_stamp): $(wasm)/package-lock.json | $(python_stamp)
	$(say) "Python in WebAssembly"
	@cmp -s $< $@ || (cd $(wasm) && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.interview-lock.json)
	@touch $@

$(front_end): $(front_end_sources) $(node_stamp)
	$(say) "Front end"
	@cd labextension && npm run --silent build:prod
	@touch $@

# --- running ---------------------------------------------------------------------------------

.PHONY: demo
demo: install ## start JupyterLab with a sample interview; prints its links
	$(say) "Container engine"
	@scripts/services.sh docker-start && scripts/images.sh || \
	  echo "The demo starts all the same: rooms and shared notebooks work, cells cannot run (make services)."
	$(say) "Interview rooms"
	@exec .venv/bin/jupyter interview demo $(ARGS)

.PHONY: services
services: ## install and start what the tests and the demo use: a container engine, a browser
	@scripts/packages.sh
	@scripts/services.sh docker-start

.PHONY: services-stop
services-stop: ## stop the services that `make services` started
	@scripts/services.sh docker-stop

.PHONY: images
images: install ## build the sandbox images, or reuse them
	@scripts/images.sh

# --- checking --------------------------------------------------------------------------------

.PHONY: lint
lint: install ## every static check
	@scripts/lint.sh

.PHONY: test
test: install ## every test, with its services started and stopped
	@scripts/packages.sh
	@scripts/with-services.sh scripts/test.sh $(ARGS)

.PHONY: test-js
test-js: install ## the front end's unit tests
	@cd labextension && npm test --silent -- $(ARGS)

.PHONY: test-unit test-architecture
test-unit test-architecture: test-%: install
	@.venv/bin/python -m pytest tests/$* $(ARGS)

.PHONY: test-contract
test-contract: install
	@scripts/packages.sh
	@.venv/bin/python -m pytest tests/contract $(ARGS)

test-%: install ## the tests of one folder: make test-unit
	@scripts/packages.sh
	@scripts/with-services.sh .venv/bin/python -m pytest tests/$* $(ARGS)

.PHONY: soak
soak: install ## the long series, which `make test` leaves out
	@scripts/packages.sh
	@scripts/with-services.sh .venv/bin/python -m pytest -m soak --timeout 3600 tests $(ARGS)

# Hocuspocus' SQLite is compiled here: the package fetches a binary from elsewhere, or compiles too.
$(peers_stamp): $(peers)/package-lock.json | $(python_stamp)
	$(say) "Servers to measure beside"
	@cmp -s $< $@ || (cd $(peers) && npm ci --ignore-scripts --no-audit --no-fund && ../../../scripts/build-peers.sh && cp package-lock.json node_modules/.interview-lock.json)
	@touch $@

.PHONY: bench
bench: install $(peers_stamp) ## measure beside peers in the same run
	@scripts/packages.sh
	@scripts/with-services.sh .venv/bin/python -m tests.benchmarks $(ARGS)

.PHONY: docs
docs: install ## build the documentation into build/docs
	@.venv/bin/python -m scripts.reference --write
	@.venv/bin/sphinx-build -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

.PHONY: clean
clean: ## remove everything built, and .venv
	rm -rf .venv build dist .cache .*_cache interview_ext/labextension labextension/lib labextension/node_modules labextension/*.tsbuildinfo
