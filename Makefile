# Every target that `make help` lists has a comment behind it; the comments are the help.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
# The first interpreter of this machine that is new enough.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

TUNNEL_PACKAGES := wireguard-tools wireguard-go iproute2 iputils-ping nftables curl procps
KERNEL_PACKAGES := $(TUNNEL_PACKAGES) linux-source-6.1 gcc libc6-dev make flex bison bc xz-utils
TEST_PACKAGES := $(TUNNEL_PACKAGES) chromium postgresql redis-server nginx caddy openssl systemd shellcheck strace busybox \
    util-linux perl gnupg prometheus prometheus-node-exporter
CHAOS_PACKAGES := $(TEST_PACKAGES) faketime
SCRIPT_PACKAGES := $(TUNNEL_PACKAGES) shellcheck strace busybox util-linux perl original-awk mmdebstrap systemd-container

.PHONY: help setup demo run test check coverage prove scripts schema lock clean chaos soak bench bench-peers kernel browser guide deploy-test

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: .venv/runtime ## build .venv from the locked requirements

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (Debian 12+, Ubuntu 24.04+; on 22.04: apt-get install python3.11 python3.11-venv)." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || deploy/packages.sh $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	@$(PYTHON) -m venv --clear .venv

.venv/runtime: requirements.txt | .venv/bin/pip
	@echo "Installing the locked requirements into .venv"
	@.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/runtime
	@echo "Installing the locked development requirements into .venv"
	@.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: .venv/runtime ## enrol two machines over real tunnels, all inside this one, and prove it
	@deploy/packages.sh $(TUNNEL_PACKAGES)
	@$(PY) -m tests.journeys.demo

run: .venv/runtime ## start web and agent together; Ctrl-C stops both
	@$(PY) -m hubproject.run

check: .venv/dev ## style, types, import law, shell scripts
	@deploy/packages.sh shellcheck
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports
	@shellcheck -x -a -s sh deploy/*.sh tests/kernel/*.sh

# What waits more than it works has a lane of its own.
MACHINES := tests/browser tests/deploy tests/journeys tests/chaos
SCRIPTS := $(wildcard tests/tokens/test_script_*.py tests/tokens/test_*_script.py)
THE_REST := $(addprefix --ignore=,$(MACHINES) $(SCRIPTS))
PYTEST := $(PY) -m pytest -q -p no:cacheprovider

test: .venv/dev ## everything that guards this project, real tunnels and PostgreSQL included
	@deploy/packages.sh $(TEST_PACKAGES)
	@# Three lanes for two cores. `make` by its name: as a variable a dry run would run all of it.
	@( make --no-print-directory check && $(PY) -m tests.postgres $(PYTEST) -m django_db && $(PYTEST) $(SCRIPTS) ) \
	        >.second-lane.log 2>&1 & second=$$!; \
	    $(PYTEST) $(MACHINES) >.third-lane.log 2>&1 & third=$$!; \
	    $(PYTEST) $(THE_REST); first_status=$$?; \
	    wait $$second; second_status=$$?; wait $$third; third_status=$$?; \
	    echo "Style and types, PostgreSQL, scripts:"; cat .second-lane.log; \
	    echo "Machines and browsers:"; cat .third-lane.log; \
	    test "$$first_status$$second_status$$third_status" = 000

coverage: .venv/dev ## which lines and branches of the product the tests reach, but for those of machines and scripts
	@deploy/packages.sh $(TEST_PACKAGES)
	@.venv/bin/coverage run -m pytest -q -p no:cacheprovider $(THE_REST)
	@.venv/bin/coverage report

prove: .venv/dev ## the guarantees at full size: races, generated calls, tamperings, on SQLite and PostgreSQL
	@deploy/packages.sh $(TEST_PACKAGES)
	@$(PY) -m tests.prove

scripts: .venv/dev ## the install scripts: cut at every byte, killed before every command, on whole Debian systems; fifty minutes
	@deploy/packages.sh $(SCRIPT_PACKAGES)
	@# Every test runs, whatever fails, and each of the four says what it counted. Cuts and kills go side by side.
	@$(PY) -m pytest -q -p no:cacheprovider -m scripts_full tests/tokens/test_script_prefixes.py >.scripts-cuts.log 2>&1 & cuts=$$!; \
	    $(PY) -m pytest -q -p no:cacheprovider -m scripts_full tests/tokens/test_script_kills.py tests/tokens/test_macos_script_in_full.py tests/tokens/test_windows_script.py; kills_status=$$?; \
	    wait $$cuts; cuts_status=$$?; \
	    cat .scripts-cuts.log; \
	    $(PY) -m pytest -q -p no:cacheprovider tests/tokens -k "script or windows or package_managers or uninstall"; slice_status=$$?; \
	    $(PY) -m pytest -q -p no:cacheprovider -m nspawn tests/journeys/test_real_machines.py; real_status=$$?; \
	    echo "scripts: cuts $$cuts_status, kills $$kills_status, scripts on stand-ins $$slice_status, whole systems $$real_status (0 is passed)"; \
	    test "$$cuts_status$$kills_status$$slice_status$$real_status" = 0000

chaos: .venv/dev ## everything around the hub fails, and no promise may break: kills, disks, databases, clocks; ONLY=name for one
	@deploy/packages.sh $(CHAOS_PACKAGES)
	@$(PY) -m tests.chaos $(ONLY)

MINUTES ?= 60
soak: .venv/dev ## MINUTES=60 of enrolments and removals with 2 000 peers: memory, descriptors and logs must not grow
	@deploy/packages.sh $(TEST_PACKAGES)
	@$(PY) -m tests.chaos.soak $(MINUTES)

bench: .venv/dev ## what this costs, as ratios of runs in turns, on SQLite and PostgreSQL; ONLY=look SIZES=100,1000 ENGINE=sqlite; 15 min
	@deploy/packages.sh $(TEST_PACKAGES)
	@$(PY) -m tests.benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(SIZES),--sizes $(SIZES)) $(if $(ENGINE),--engine $(ENGINE))

bench-peers: .venv/dev ## 8 clients enrol 300 machines while 200 live spokes shake hands: nobody is hurt, and what it costs
	@deploy/packages.sh $(TEST_PACKAGES)
	@$(PY) -m tests.benchmarks.peers $(if $(ENGINE),--engine $(ENGINE))

kernel: .venv/dev ## tunnels over the kernel's own WireGuard, in a Linux that runs as a program (Debian 12; built once, 15 min)
	@deploy/packages.sh $(KERNEL_PACKAGES)
	@nice $(PY) -m tests.kernel $(ONLY)

browser: .venv/dev ## every page in a real browser, light, dark and on a phone; pictures in screenshots/
	@deploy/packages.sh chromium fonts-liberation
	@EVERY_PAGE=1 $(PY) -m pytest -q -p no:cacheprovider -m browser

guide: .venv/dev ## renew the pictures of deploy/USER-GUIDE.md
	@deploy/packages.sh chromium fonts-liberation imagemagick
	@$(PY) -m tests.browser.guide

deploy-test: .venv/dev ## the installer on whole Debian 12 and 13: installs, kills, reboots, upgrades, a restore; twenty minutes
	@deploy/packages.sh $(SCRIPT_PACKAGES) openssl
	@nice $(PY) -m tests.deploy $(ONLY)

schema: .venv/dev ## renew tests/data/openapi.yaml, the REST interface as review sees it
	@$(PY) manage.py spectacular --settings tests.settings --validate --fail-on-warn --file tests/data/openapi.yaml

lock: .venv/bin/pip ## renew both lock files from pyproject.toml
	@.venv/bin/pip install --quiet uv
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## remove what was built here; the data directory stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* .second-lane.log .third-lane.log .scripts-cuts.log
