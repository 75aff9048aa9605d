# Everything a checkout can do. `make help` lists it. Only .venv, .data and caches are written.
PYTHON ?= python3
RUN = .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

install: .venv/ready  ## Make .venv from the hashed lock

.venv/ready: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv
	@echo "Installing packages into .venv ..."
	@$(RUN) -m pip install --quiet --require-hashes --no-deps -r requirements-dev.txt \
	  || { echo "The packages could not be installed: is a package index reachable (pip config list)," \
	       "and is there a gigabyte of free disk (df -h .)?"; exit 1; }
	@touch $@

demo: install  ## Play a whole shareholder meeting at http://127.0.0.1:8000
	@exec $(RUN) manage.py demo

smoke: install  ## Walk the same road without a person
	@$(RUN) manage.py smoke

test: install lint  ## Lint, types, layers, migrations and all tests
	@$(RUN) -m pytest -q --numprocesses=auto --maxprocesses=4 --dist=loadfile

peers: install .data/peers/bin/sdks .data/peers/node_modules  ## Hold ours against software of others
	@$(RUN) -m pytest -q tests/peers

.data/peers/bin/sdks: tests/peers/requirements.txt
	@$(PYTHON) -m venv .data/peers
	@echo "Installing the SDKs of the clouds into .data/peers ..."
	@if .data/peers/bin/python -m pip install --quiet -r $<; then touch $@; \
	  else echo "LEFT OUT: the SDKs could not be installed; the tests that need them are skipped"; fi

.data/peers/node_modules: tests/peers/package.json
	@mkdir -p .data/peers && cp $< .data/peers/
	@if npm install --silent --no-audit --no-fund --prefix .data/peers; then touch $@; \
	  else echo "LEFT OUT: no npm, or no registry; the tests of its packages are skipped"; fi

screenshots: install  ## Take the pictures of the guides in docs/ anew
	@PICTURES=docs/images $(RUN) -m pytest -q tests/journeys/test_guides.py

gallery: install  ## Photograph every page of holders in every look, into .data/gallery
	@SCREENSHOTS=.data/gallery $(RUN) -m pytest -q tests/journeys/test_gallery.py

lighthouse: install .data/lighthouse/node_modules  ## Let Lighthouse judge the pages of a vote
	@LIGHTHOUSE=.data/lighthouse/node_modules/.bin/lighthouse $(RUN) -m pytest -q tests/lighthouse

.data/lighthouse/node_modules: tests/lighthouse/package.json
	@mkdir -p .data/lighthouse && cp $< .data/lighthouse/
	@npm install --silent --no-audit --no-fund --prefix .data/lighthouse \
	  || { echo "Lighthouse could not be installed: is there an npm, and a registry that it can reach?"; exit 1; }
	@touch $@

bench: install  ## Measure every hot path beside its floor
	@$(RUN) -m bench

drill-restore: install  ## Lose the database under traffic and recover it, with RPO and RTO
	@$(RUN) -m drills.restore

drills: install  ## Kill, starve and flood the parts while holders vote
	@exec $(RUN) -m drills $(DRILLS)

stress: install  ## Ramp the whole journey until it bends
	@exec $(RUN) -m bench.stress $(STRESS)

lint: install  ## Style, types, layers, migrations
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m mypy
	@$(RUN) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())'
	@$(RUN) manage.py makemigrations --check --dry-run --verbosity 0

.PHONY: help install demo smoke test peers bench drill-restore lint drills stress screenshots gallery lighthouse
