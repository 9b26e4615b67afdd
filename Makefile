# Two commands do everything on a fresh machine: make nightly, make test. Both set up .venv first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help nightly test test-slow test-gpu test-newest lint docs docs-serve up down status wheel install lock

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Processes that share the tests; more than two only where there are more cores.
JOBS ?= 2

# `python` and the tools of the environment come first, for whatever the commands below start.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# An environment whose Python has gone (an update of the system, a moved checkout) is made anew.
ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell $(PY) -c 'print("fit")' 2>/dev/null),fit)
$(shell rm -f $(STAMP))
endif
endif

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

nightly: $(STAMP) ## Retrain everything that can be better, prove it, register it, promote it
	@$(PY) -m flows nightly

test: $(STAMP) ## Every test but the slow ones
	@$(PY) -m pytest -m "not slow and not gpu" -n $(JOBS) $(ARGS)

# Each file stays in one process, so that its fixtures (servers, nightly runs) are made once.
test-slow: $(STAMP) ## The slow tests: real servers, real training, browsers
	@$(PY) -m pytest -m "slow and not gpu" -n $(JOBS) --dist loadfile $(ARGS)

# One process, so that the figures of the probe are those of a device that is not shared.
test-gpu: $(STAMP) ## The tests of training on a GPU, slow ones too; fails where there is no CUDA device
	@$(PY) -m tests.support.cuda
	@$(PY) -m pytest -m gpu $(ARGS)

test-newest: $(STAMP) ## The wheel with the newest versions of what it needs, in an environment of its own
	@bash .ci/newest $(PY)

lint: $(STAMP) ## ruff, mypy, import-linter
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

# MkDocs loads the hooks, which read the code; nothing is fetched while it builds.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs

docs: $(STAMP) ## Build the documentation into build/docs; a broken link fails
	@$(MKDOCS) build --strict --site-dir build/docs
	@echo "built    build/docs/index.html"

docs-serve: $(STAMP) ## Serve the documentation at localhost:8000 and rebuild it on each change
	@$(MKDOCS) serve --dev-addr localhost:8000

up: $(STAMP) ## Start Prefect, MLflow and the scheduler in the background
	@$(PY) -m flows up

down: $(STAMP) ## Stop what `make up` has started
	@$(PY) -m flows down

status: $(STAMP) ## What runs where, the last night, what is in use, what is on hold
	@$(PY) -m flows status

wheel: $(STAMP) ## Build the capture runtime for a set's laptop
	@rm -rf dist
	@$(PY) -m build --wheel --no-isolation --outdir dist . > $(VENV)/wheel.log 2>&1 || { cat $(VENV)/wheel.log; exit 1; }
	@wheel=$$(ls dist/*.whl) && name=$$(basename $$wheel) && printf '%s\n' \
		"built    $$wheel" "Copy it to the laptop (Python 3.11 to 3.13), and there:" \
		"Linux    python3 -m venv rushes && rushes/bin/pip install ./$$name" \
		"macOS    python3 -m venv rushes && rushes/bin/pip install ./$$name" \
		"Windows  py -m venv rushes && rushes\\Scripts\\pip install .\\$$name" \
		"To draw scenes and storyboards, or to write scripts as fdx, pdf and html too, put [scene,write]" \
		"behind the wheel's name: \"./$$name[scene,write]\". To verify who signed a model: [verify]"

# PyTorch and its CUDA libraries differ by machine, and OpenCV's two builds own the same folder: neither is emitted.
lock: ## Remake requirements.lock within pyproject.toml's ranges; wants uv on PATH
	@echo "torch==2.13.0" > .ci/torch.constraint
	@echo "opencv-python-headless>=5" | uv pip compile --quiet --universal --extra film --extra scene --extra verify --extra write --python-version 3.11 --no-header --no-annotate \
		--group night --group dev --constraint .ci/torch.constraint --no-emit-package opencv-python \
		--no-emit-package torch --no-emit-package triton --output-file requirements.lock pyproject.toml - > /dev/null
	@sed -i -E '/^(nvidia-|cuda-|# )/d' requirements.lock
	@rm .ci/torch.constraint

install: $(STAMP) ## Set up .venv, and nothing else

# Anew when the lock or the project changes. What was interrupted goes on where it was: pip skips what is there.
$(STAMP): requirements.lock pyproject.toml .ci/install
	@bash .ci/install $(VENV)
	@touch $@
