# Airloop's commands. `make help` lists them; `make demo` is the place to start.
SHELL := /bin/sh
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help venv demo up down status test coverage test-fast check format docs bench dist bench-gpu mutants killed-starts bench-short bench-docs bench-fleet bench-signin large-loop fuzz-api orders trigger-orders judge timetables month schedules roll-outs flipped-bits honest-rows round-trips clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

.venv/.locked: requirements.lock
	@PYTHON="$(PYTHON)" scripts/venv

# The entry points of an editable install are written when it is made.
.venv/.self: pyproject.toml .venv/.locked
	@scripts/venv self

.venv/.torch: requirements-torch.lock .venv/.locked
	@scripts/venv torch

venv: .venv/.self ## install the pinned environment into .venv (done by every other target; test, check and bench add torch)

demo: .venv/.self ## start everything and close the loop once on real data; leaves it up
	@$(BIN)/airloop demo

up: .venv/.self ## start Airflow, MLflow and the prediction service on 127.0.0.1
	@$(BIN)/airloop up

down: .venv/.self ## stop what `up` or `demo` started
	@$(BIN)/airloop down

status: .venv/.self ## say what runs, where
	@$(BIN)/airloop status

# What only the benches compare with, in no image and no wheel.
.venv/.bench: requirements-bench.lock .venv/.torch
	@scripts/venv bench

# A file stays with one process, and they begin in the order of tests/support/order.py.
ON_TWO := -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/.bench ## run every test on two processes
	@$(BIN)/python -m pytest $(ON_TWO)

coverage: .venv/.bench ## the same with coverage of lines and branches, those of the steps' processes included
	@$(BIN)/python -m pytest $(ON_TWO) --cov --cov-report=term:skip-covered

test-fast: .venv/.torch ## run the unit tests only
	@$(BIN)/python -m pytest tests/unit

check: .venv/.torch ## lint, types, layers, configuration
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/airloop check

format: .venv/.self ## let ruff format and fix what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/.self ## build the documentation as a site in .airloop/site; a dead link ends it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open .airloop/site/index.html, or: $(BIN)/mkdocs serve"

bench: .venv/.bench ## measure the rows of docs/benchmarks.md, or one: make bench ROW=serving
	@$(BIN)/python -m bench $(ROW)

bench-short: .venv/.bench ## the same in small sizes: does every row still work?
	@$(BIN)/python -m bench --short --folder .airloop/bench-short $(ROW)

bench-docs: .venv/.bench ## write what `make bench` measured into docs/benchmarks.md and docs/benchmarks.json
	@$(BIN)/python -m bench --docs

bench-fleet: .venv/.torch ## measure a real DAG processor with 1, 100, 1,000 and 3,000 model specs (FLEET="1 100" for some)
	@$(BIN)/python -m bench.fleet $(FLEET)

bench-signin: .venv/.self ## what MLflow's sign-in costs a training: with and without it in turn; prints JSON
	@$(BIN)/python -m bench.signin

large-loop: .venv/.torch ## take 20 million rows through the whole loop, each process in 4 GiB of address space; prints a table (half an hour)
	@$(BIN)/python -m bench.bounded $(BOUNDED)

judge: .venv/.bench ## measure how the champion gate decides on challengers of known worth, and write docs/judgement.md
	@$(BIN)/python -m bench.judge --docs $(JUDGE)
	@$(BIN)/python -m bench.feeds --docs $(JUDGE)
	@$(BIN)/python -m bench.feeds.after --docs $(JUDGE)
	@$(BIN)/python -m bench.feeds.skews --docs $(JUDGE)
	@$(BIN)/python -m bench.watch --docs $(JUDGE)
	@$(BIN)/python -m bench.turns --docs $(JUDGE)
	@$(BIN)/python -m bench.losses --docs $(JUDGE)
	@$(BIN)/python -m bench.ships --docs $(JUDGE)

dist: .venv/.self ## build into dist/: the wheel, the source distribution, and the tested versions as constraints for pip
	@$(BIN)/uv build --quiet --no-build-isolation --out-dir dist
	@sed -n '/^[a-z0-9].*==/s/ \\$$//p' requirements.lock >dist/constraints.txt
	@ls dist

mutants: .venv/.torch ## sabotage gates, verdicts, monitoring and ledger, and print which of it no test notices (ROOM=ledger for one)
	@$(BIN)/python -m tests.mutants $(if $(ROOM),--only $(ROOM))

killed-starts: .venv/.torch ## kill ten starts at random moments; `airloop up` makes a stack of each that trains (half an hour)
	@$(BIN)/python -m tests.support.killed_starts

fuzz-api: .venv/.self ## ask the prediction service 50,000 requests made from its own OpenAPI document
	@AIRLOOP_FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -q -rP --timeout 0 tests/unit/serving/test_api_schema.py

roll-outs: .venv/.self ## ask 100,000 requests while versions take turns, and as many in canaries, shadows, A/B tests and fallbacks; each answer is its version's own
	@AIRLOOP_ROLL_OUTS=100000 $(BIN)/python -m pytest -q -rP --timeout 0 tests/integration/serving/test_roll_outs.py

flipped-bits: .venv/.self ## flip 300 bits each of lake, artifacts, step store, prediction log and ledger; none is used in silence
	@AIRLOOP_FLIPS=300 $(BIN)/python -m pytest -q --timeout 0 -k "bit or flipped" tests/unit/data/test_integrity.py \
		tests/unit/exchange/test_seal.py tests/faults/test_artifact_faults.py tests/unit/serving/test_frames.py \
		tests/integration/ledger/test_flipped_bits.py

honest-rows: .venv/.self ## write 10,000 links of honest history on either database, the writer killed again and again; none is called a forgery
	@AIRLOOP_HONEST_ROWS=10000 $(BIN)/python -m pytest -q --timeout 0 tests/integration/ledger/test_audit.py -k honest

round-trips: .venv/.self ## write 2,000 frames in every format; each comes back as it was, or its first wrong value is named
	@AIRLOOP_FRAMES=2000 $(BIN)/python -m pytest -q --timeout 0 tests/unit/data/test_round_trip.py

orders: .venv/.self ## shuffle late, corrected and doubled deliveries 1,000 times; each order ends in one state of the lake
	@AIRLOOP_ORDERS=1000 $(BIN)/python -m pytest -q --timeout 0 tests/integration/cadence/test_orders.py

trigger-orders: .venv/.torch ## drop, double and reorder what wakes the trainings 1,000 times; each reason trains once
	@AIRLOOP_TRIGGER_ORDERS=1000 $(BIN)/python -m pytest -q --timeout 0 tests/dags/test_trigger_orders.py

schedules: .venv/.torch ## play 300 schedules of a cluster's disruptions over the real operators; no pod is doubled or left
	@AIRLOOP_SCHEDULES=300 $(BIN)/python -m pytest -q --timeout 0 tests/dags/test_cluster_schedules.py

timetables: .venv/.torch ## go through 24 hours of an hourly dataset and some ticks of each other cadence, by real DAGs and steps
	@for cadence in hour day week month snapshot; do AIRLOOP_HOURS=24 AIRLOOP_CADENCE=$$cadence \
		$(BIN)/python -m pytest -q --timeout 0 tests/dags/test_timetables.py || exit 1; done

month: .venv/.torch ## live a month by real DAGs and replay it: both take the same decisions, night by night
	@AIRLOOP_NIGHTS=30 $(BIN)/python -m pytest -q --timeout 0 tests/dags/test_live_month.py

bench-gpu: .venv/.torch ## measure what only a machine with a GPU can show; one script, prints JSON
	@$(BIN)/python -m bench.gpu

clean: down ## stop everything and forget its state (.airloop); the environment stays
	@rm -rf .airloop
