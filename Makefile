# The two commands of the README are `make run` and `make test`; each sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
HOTLINE := .venv/bin/hotline
PY := .venv/bin/python

# modules without I/O: every branch of theirs is tested
PURE := schemas/numbers.py,schemas/flows.py,schemas/calendar.py,schemas/city.py,schemas/moves.py,schemas/speech.py,schemas/events.py,schemas/commands.py,dialplans/watch.py,dialplans/diff.py,dialplans/diff_calls.py,dialplans/drawing.py,dialplans/graph.py,dialplans/layout.py,dialplans/looked.py,dialplans/lasting.py,dialplans/simulate.py,dialplans/walks.py,dialplans/windows.py,ivr/agi_wire.py,ivr/flow.py,ivr/place.py,ivr/ends.py,ivr/routing.py,ivr/say.py,ivr/speech/babble.py,ivr/speech/breaker.py,ivr/speech/endpoint.py,ivr/speech/everyday.py,ivr/speech/intents.py,ivr/speech/matching.py,ivr/speech/passages.py,ivr/speech/pipe.py,ivr/speech/syllables.py,ivr/speech/talk.py,ivr/speech/wire.py,hotline/readback.py,cti/tickets/lifecycle.py,cti/tickets/guards.py,cti/tickets/rights.py,cti/tickets/clocks.py,cti/tickets/worktime.py,cti/tickets/ladder.py,cti/tickets/dispatch.py,cti/tickets/places.py,cti/tickets/proposals.py,cti/tickets/matters.py,cti/tickets/lexicon.py,cti/tickets/sounds.py,cti/tickets/alike.py,cti/tickets/wording.py,cti/tickets/risks.py,cti/tickets/clusters.py,cti/tickets/chain.py,cti/tickets/masks.py,cti/tickets/refusals.py,cti/words.py,cti/knowledge/sight.py,cti/knowledge/snippets.py,cti/hooks/addresses.py,cti/hooks/backoff.py,cti/hooks/wire.py,cti/scores/formula.py,cti/outside/view.py,cti/units/directory.py,cti/units/probes.py,agents/web/words.py,agents/web/forms.py,agents/web/listing.py,schemas/cases.py,schemas/limits.py,cti/calls/control.py,cti/calls/machine.py,cti/calls/sla.py,cti/asterisk/ami_events.py,cti/asterisk/cel.py,agents/presence.py,agents/lockout.py

# its items share one name, of which xdist would run one
FUZZ := tests/hotline/test_fuzz.py

.PHONY: run down test check unit real load speech bench wheel clean

run: ## start everything, make one real call, print where to go
	@deploy/prepare run
	@$(HOTLINE) up --background
	@$(HOTLINE) demo --once

down: ## stop what `make run` started
	@if [[ -x $(HOTLINE) ]]; then $(HOTLINE) down; else echo "nothing is running"; fi

test: ## everything that must hold before a change lands
	@deploy/prepare test
	@$(HOTLINE) asterisk install
	@$(MAKE) --no-print-directory check
	@$(PY) -m pytest $(FUZZ) --cov --cov-report=
	@$(PY) -m pytest -n 2 --dist loadgroup --ignore=$(FUZZ) --cov --cov-append --cov-report=
	@$(PY) -m coverage report --skip-covered --sort=cover | tail -n 40
	@$(PY) -m coverage report --include="$(PURE)" --fail-under=100 >/dev/null || { echo "a pure module is not wholly covered:"; $(PY) -m coverage report --include="$(PURE)" --show-missing; exit 1; }

check: ## style, types, who may import whom
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

unit: ## the quick tests
	$(PY) -m pytest -m unit

real: ## the tests with a real Asterisk
	$(PY) -m pytest -m real

load: ## the full load and fault runs: 200 calls at once; minutes, both cores
	FAULT_CALLS=100 PUBLISHES=1000 KILLED_PUBLISHERS=300 FAULT_WRITES=1000 $(PY) -m pytest tests/load tests/dialplans/test_versions.py tests/cti/test_hooks_killed.py -s

speech: ## real calls that say what is in FOLDER (WAV files and labels.tsv), as a table
	@SPEECH_FOLDER="$(FOLDER)" $(PY) -m pytest -s -q tests/real/test_speech.py -k folder

bench: ## every figure, each as a ratio against its peer
	@for bench in call_cost pop_latency memory flow tickets alike knowledge; do $(PY) -m bench.$$bench; done

wheel: ## a wheel, and proof that it works in an empty environment
	$(PY) -m pytest tests/hotline/test_wheel.py

clean: down
	rm -rf .venv .local dist build
