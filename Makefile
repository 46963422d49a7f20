# Everything starts from a fresh clone with only Python 3.11, pip and make.
SHELL  := /bin/bash
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

# No prompts and no version notices: the same behaviour at a desk and in CI without a terminal.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help install train smoke test coverage lint format docs docs-site house next clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $$(command -v $(PYTHON) || echo python3) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

install: $(STAMP) ## Create .venv and install the pinned versions (only when they changed)

train: $(STAMP) ## Train on CartPole; more: make train ARGS="env=pendulum seed=1"
	$(BIN)/airl train env=cartpole reward=shaped $(ARGS)

smoke: $(STAMP) ## A complete, tiny run
	$(BIN)/airl train experiment=smoke $(ARGS)

lint: $(STAMP) ## Formatting, ruff and mypy
	$(BIN)/ruff format --check airl_cli hydra_plugins tests tools examples
	$(BIN)/ruff check airl_cli hydra_plugins tests tools examples
	$(BIN)/mypy

test: lint ## Lint, then the tests
	$(BIN)/pytest -n 2 $(ARGS)

coverage: $(STAMP) ## The tests once more, slower, with the share of lines that they run
	$(BIN)/pytest -n 2 --cov --cov-report=term $(ARGS)

format: $(STAMP) ## Let ruff rewrite the sources
	$(BIN)/ruff format airl_cli hydra_plugins tests tools examples
	$(BIN)/ruff check --fix airl_cli hydra_plugins tests tools examples

docs: $(STAMP) ## Write docs/configuration/ anew from the comments of the configs
	$(BIN)/python -m tools.config_pages

docs-site: $(STAMP) ## The documentation as a site, in site/
	$(BIN)/pip install --quiet -c constraints.txt -e ".[site]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "the site is in site/; .venv/bin/mkdocs serve shows it at http://127.0.0.1:8000"

house: $(STAMP) ## Figures of the structure: code lines, files, circles, ...
	$(BIN)/python -m tools.house -v

next: ## The tests with the newest Hydra, release candidates included; in .venv-next
	test -x .venv-next/bin/python || $$(command -v $(PYTHON) || echo python3) -m venv .venv-next
	.venv-next/bin/pip install --quiet -c constraints.txt -e ".[dev]"
	.venv-next/bin/pip install --quiet --pre --upgrade hydra-core omegaconf
	.venv-next/bin/pytest -n 2 $(ARGS)

clean: ## Remove the virtual environment and all caches (never outputs/)
	rm -rf $(VENV) .venv-next site .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
