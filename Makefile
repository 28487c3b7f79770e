# Each target makes ready what it needs (tools/setup.sh) and says what it installs.

PYTHON := .venv/bin/python
OURS := src tests bench demo tools fuzz
SETUP := @sh tools/setup.sh

.DEFAULT_GOAL := help
.PHONY: help demo demo-remove test check lint bench bench-quick soak matrix matrix-page firewalls-page fuzz manpages requirements zipapp clean

help:
	@echo "make demo          hidden services, one packet, and what a stranger sees (root; under a minute)"
	@echo "make demo KEEP=1   the same, and leave its hosts there to play with"
	@echo "make demo-remove   remove what that, or a demo that was killed, left there"
	@echo "make test          everything that can be tested on this machine (root for all of it)"
	@echo "make test JOBS=0   the same by one process, where two at once are too much"
	@echo "make check         style, types, and the tests that need neither root nor network (seconds)"
	@echo "make bench         how fast it is, beside the packaged fwknopd (root; minutes)"
	@echo "make bench-quick   the same with fewer rounds"
	@echo "make soak          a million packets and a thousand reloads, and whether anything piles up (root; ten minutes)"
	@echo "make fuzz          a minute of fuzzing for each reader of foreign bytes; SECONDS=3600 for more"
	@echo "make matrix        every way in which clients and servers, ours and packaged, talk (root; two minutes)"
	@echo "make matrix-page   write what is expected of that into docs/interoperability.md"
	@echo "make firewalls-page  which firewall can do what, by the last run of their tests, into docs/firewalls.md"
	@echo "make zipapp        the client in one file, and with a launcher for Windows, in dist"
	@echo "make manpages      heads of the manual pages from the option tables"
	@echo "make requirements  what was asked for, and what the last make test proved of it"
	@echo "make clean         remove what these made in this directory"

demo:
	$(SETUP) demo
	@$(PYTHON) -m demo $(if $(KEEP),--keep)

demo-remove:
	@$(PYTHON) -m demo --remove

test: JOBS ?= 2
test:
	$(SETUP) test
	@$(MAKE) --no-print-directory lint
	@$(PYTHON) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(if $(SECOND_LOOK),--second-look=$(SECOND_LOOK))

check:
	$(SETUP) check
	@$(MAKE) --no-print-directory lint
	@$(PYTHON) -m pytest -q tests/architecture tests/unit

lint:
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m ruff format --quiet --check .
	@$(PYTHON) -m mypy --strict $(OURS)

bench:
	$(SETUP) bench
	@$(PYTHON) -m bench

bench-quick:
	$(SETUP) bench
	@$(PYTHON) -m bench --quick

soak:
	$(SETUP) bench
	@$(PYTHON) -m bench.soak

fuzz: SECONDS ?= 60
fuzz:
	$(SETUP) fuzz
	@MUTATIONS=300000 $(PYTHON) -m pytest -q tests/property/test_wire_mutations.py
	@$(PYTHON) -m fuzz --seconds $(SECONDS) $(TARGETS)

matrix:
	$(SETUP) test
	@$(PYTHON) -m tests.matrix

matrix-page:
	$(SETUP) check
	@$(PYTHON) -m tests.matrix --page

firewalls-page:
	$(SETUP) check
	@$(PYTHON) -m tests.firewalls

requirements:
	$(SETUP) check
	@$(PYTHON) -m tests.requirements

zipapp:
	$(SETUP) check
	@$(PYTHON) -m tools.zipapp
	@$(PYTHON) -m tools.zipapp --exe

manpages:
	$(SETUP) check
	@$(PYTHON) -m tools.manpages

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/watchword.egg-info
