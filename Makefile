# `make run` does the whole main job, `make test` checks everything; both install what they need.
# For GNU make 3.81 (macOS) and later, with plain POSIX sh, from a clone or from a ZIP.

TORCH = torch==2.13.0
# How that one package is installed, for example `--index-url URL` of its CPU builds: see README.md.
PIP_TORCH_ARGS ?=
# Which Python makes .venv; without it, the first that can.
PYTHON ?=

FIT = 'import pip, sys; assert (3, 11) <= sys.version_info < (3, 13)'
PIP = .venv/bin/python -m pip --disable-pip-version-check --no-input
COMPILE = .venv/bin/uv pip compile pyproject.toml --quiet --upgrade --universal \
	--python-version 3.11 --extra postgres --fork-strategy fewest --no-emit-package torch \
	--no-annotate --no-header --no-emit-index-url

.PHONY: help run ui test setup dev python pictures lock clean

help:
	@echo 'make run       sets everything up and runs the main job'
	@echo 'make ui        opens the web UI with the daemon'
	@echo 'make test      sets everything up and runs format, lint, type check and all tests'
	@echo 'make setup     sets everything up, and does nothing else'
	@echo 'make pictures  takes the pictures of README.md anew, from the web UI'
	@echo 'make lock      renews requirements.lock and requirements-dev.lock'
	@echo 'make clean     removes .venv and build leftovers; never .mldebt, where the state is'

run: setup
	@.venv/bin/mldebt init
	@.venv/bin/mldebt fetch flight_delays
	@.venv/bin/mldebt replay flight_delays
	@.venv/bin/mldebt lineage flight_delays
	@echo 'Browse the lineage, watch the sensors: make ui'

ui: setup
	@.venv/bin/mldebt init
	@.venv/bin/mldebt ui flight_delays

test: dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/pytest -n 3 --dist loadscope --no-loadscope-reorder

# Sets $$python to the first that runs, fits and can make a .venv. To be on the PATH is not enough:
# a pyenv shim runs nothing, and Debian's python3 comes without venv.
define find_python
python=; bare=; tried=; \
set -- $(if $(PYTHON),'$(PYTHON)',python3.12 python3.11 python3 python); \
for candidate; do \
	if ! command -v "$$candidate" >/dev/null 2>&1; then \
		tried="$$tried $$candidate (not there),"; continue; \
	fi; \
	version=`"$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null`; \
	case "$$version" in \
		3.11|3.12) ;; \
		'') tried="$$tried $$candidate (does not run),"; continue ;; \
		*) tried="$$tried $$candidate (is Python $$version),"; continue ;; \
	esac; \
	if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
		python=$$candidate; break; \
	fi; \
	bare="$${bare:-$$version}"; tried="$$tried $$candidate (has no ensurepip),"; \
done; \
if [ -z "$$python" ]; then \
	echo "No Python 3.12 or 3.11 can make a virtual environment; tried:$${tried%,}." >&2; \
	if [ -n "$$bare" ]; then \
		echo "Fix: apt install python$$bare-venv (Debian, Ubuntu), then run make again." >&2; \
	else \
		echo "Fix: install Python 3.12 or 3.11 (macOS: brew install python@3.12), or name one:" \
			"make setup PYTHON=/path/to/python3.12" >&2; \
	fi; \
	exit 1; \
fi
endef

# pip writes INSTALLER after a package's own files, so what has none was interrupted, but would
# count as installed.
define forget_half_installed
for record in .venv/lib/python3*/site-packages/*.dist-info; do \
	[ -e "$$record/INSTALLER" ] || rm -rf "$$record"; \
done
endef

python:
	@$(find_python); echo "$$python"

# Each step is remembered by a copy, made last, of what it installed: times of files say nothing
# after unpacking a ZIP. A .venv that was moved is made anew, since its scripts name their place.
setup:
	@if [ -e .venv/unfinished ] || ! .venv/bin/python -c $(FIT) 2>/dev/null || \
		[ "`cat .venv/place 2>/dev/null || pwd -P`" != "`pwd -P`" ]; then \
		$(find_python); \
		echo "Making .venv with $$python."; \
		rm -rf .venv && mkdir .venv && : >.venv/unfinished && \
		"$$python" -m venv .venv && pwd -P >.venv/place && rm .venv/unfinished; \
	fi
	@if [ "`cat .venv/torch.installed 2>/dev/null`" != '$(TORCH)' ]; then \
		echo 'Installing $(TORCH).'; \
		rm -f .venv/requirements.lock .venv/requirements-dev.lock; \
		$(forget_half_installed); \
		$(PIP) install $(PIP_TORCH_ARGS) $(TORCH) && echo '$(TORCH)' >.venv/torch.installed; \
	fi
	@cmp -s requirements.lock .venv/requirements.lock || { \
		echo 'Installing requirements.lock: about 200 packages, two minutes.'; \
		$(forget_half_installed); \
		$(PIP) install --quiet --no-deps -r requirements.lock && \
		cp requirements.lock .venv/requirements.lock; \
	}
	@cmp -s pyproject.toml .venv/pyproject.toml || { \
		$(PIP) install --quiet --no-deps --no-build-isolation --editable . && \
		cp pyproject.toml .venv/pyproject.toml; \
	}

dev: setup
	@cmp -s requirements-dev.lock .venv/requirements-dev.lock || { \
		echo 'Installing requirements-dev.lock: what only the tests need.'; \
		$(forget_half_installed); \
		$(PIP) install --quiet --no-deps -r requirements-dev.lock && \
		cp requirements-dev.lock .venv/requirements-dev.lock; \
	}

pictures: dev run
	@.venv/bin/python -m docs.pictures

lock: dev
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraints requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find mldebt_assets mldebt_assets_tests benchmarks -type d -name __pycache__ -prune \
		-exec rm -rf {} +
