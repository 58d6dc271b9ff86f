# The same commands here, in README and in CI; what they do stands in scripts/.
# PYTHON names the interpreter for a new .venv, ARGS is handed on: make test ARGS="tests/unit -k graph".

.DEFAULT_GOAL := help
.PHONY: help demo up test check bench lock openapi install install-dev

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: install ## run a team of agents and a chat assistant on real servers and a local model, then stop
	@.venv/bin/perdure demo $(ARGS)

up: install ## run everything in the foreground: PostgreSQL, Temporal, local model, API, worker, console
	@scripts/console --optional
	@.venv/bin/python scripts/foreground.py .venv/bin/perdure up $(ARGS)

test: install-dev ## run the tests
	@scripts/test $(ARGS)

check: install-dev ## format, lint, types, import contracts, locks, OpenAPI
	@scripts/check $(ARGS)

bench: install-dev ## measure speed on real servers beside its floor
	@.venv/bin/python -m bench $(ARGS)

lock: install-dev ## write the lock files anew from pyproject.toml
	@scripts/lock $(ARGS)

openapi: install-dev ## write docs/openapi.json anew from the API
	@scripts/openapi $(ARGS)

install:
	@scripts/install

install-dev:
	@scripts/install --dev
