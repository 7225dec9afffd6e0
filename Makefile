# `make run` and `make test` are all a newcomer needs: each sets up what it needs by itself.

.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

# uv from PATH, else one of our own.
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv),.build/uv-venv/bin/uv)

# --- make run ------------------------------------------------------------------------------

PORT ?= 3000
MODEL_DELAY ?= 4
# `local` is a real but tiny model, downloaded when it is first asked for.
MODEL ?=
# 0.0.0.0: everybody in the network can reach it, such as a phone on the desk; see docs/mobile.md
HOST ?= 127.0.0.1
# Some shells export a HOST of their own, which nobody meant: only one of the command line counts.
BIND := $(if $(filter command,$(origin HOST)),$(HOST),127.0.0.1)
# Names beside 127.0.0.1 and localhost under which it is reached, such as a tunnel's: name:port
HOSTS ?=
# Parameters of template.yaml; empty means its own default.
ALLOWED_ORIGINS ?=
CACHE_SCOPE ?=
DAILY_JOB_QUOTA ?=
JOB_DEADLINE_SECONDS ?=
MODEL_LADDER ?=

.PHONY: run
run: setup  ## Serve everything on this machine: PORT=3000 MODEL_DELAY=4; MODEL=local is a real small model
	@UV='$(UV)' exec $(PYTHON) -m local.run --port '$(PORT)' --bind '$(BIND)' --model-delay '$(MODEL_DELAY)' \
	  $(if $(MODEL),--model '$(MODEL)') $(foreach host,$(HOSTS),--host '$(host)') \
	  $(if $(ALLOWED_ORIGINS),--parameter 'AllowedOrigins=$(ALLOWED_ORIGINS)') \
	  $(if $(CACHE_SCOPE),--parameter 'CacheScope=$(CACHE_SCOPE)') \
	  $(if $(DAILY_JOB_QUOTA),--parameter 'DailyJobQuota=$(DAILY_JOB_QUOTA)') \
	  $(if $(JOB_DEADLINE_SECONDS),--parameter 'JobDeadlineSeconds=$(JOB_DEADLINE_SECONDS)') \
	  $(if $(MODEL_LADDER),--parameter 'ModelLadder=$(MODEL_LADDER)')

.PHONY: sam-local
sam-local: setup  ## The same under `sam local`, in Lambda's own image: needs Docker; SAM_FLAGS=--skip-pull-image
	@UV='$(UV)' SAM_FLAGS='$(SAM_FLAGS)' exec $(PYTHON) -m local.sam_local --port '$(PORT)' --model-delay '$(MODEL_DELAY)'

# --- make test -----------------------------------------------------------------------------

.PHONY: test
test: setup  ## Every test: units, the simulation, the deployed template
	@UV='$(UV)' $(PYTHON) -m pytest -n 2 --dist loadfile $(MEASURE)  # most of the time they wait

# What holds any task, without a word of those that ship.
GENERIC_TESTS := tests/contract/test_document.py tests/unit/local tests/unit/simmer/task tests/unit/test_imports.py

.PHONY: test-tasks
test-tasks: setup  ## The tests that hold whatever tasks there are, for when recipe.py is gone
	@$(PYTHON) -m pytest -q $(GENERIC_TESTS)

.PHONY: check
check: setup  ## What CI runs: format, lint, types, template, lock, tests with their coverage
	$(UV) lock --check --quiet
	@for group in layer worker; do $(call requirements,$$group) \
	  | diff - $$(test $$group = layer && echo layers/common || echo functions/worker)/requirements.txt \
	  || { echo "requirements.txt is not what uv.lock says: make lock"; exit 1; }; done
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	@# Four functions have modules beside app.py, so each has an `app` of its own.
	$(PYTHON) -m mypy layers functions --exclude 'functions/(push|events|webhook)/'
	@for each in push events webhook; do $(PYTHON) -m mypy functions/$$each || exit 1; done
	$(PYTHON) -m mypy --python-version 3.11 clients/python/src
	$(PYTHON) -m mypy local tests bench openapi deploy admin
	SAM_CLI_TELEMETRY=0 .venv/bin/sam validate --lint
	SAM_CLI_TELEMETRY=0 .venv/bin/sam validate --lint --template monitoring.yaml
	$(PYTHON) -m tests.lint_template
	$(MAKE) test MEASURE='--cov --cov-fail-under=99'

.PHONY: policies
policies: setup  ## A second reader of the templates (checkov, a hundred packages), with our reasons
	@UV='$(UV)' $(PYTHON) -m tests.policies

.PHONY: lock
lock: setup  ## Lock again, and write what ships to the requirements.txt files SAM reads
	$(UV) lock
	$(call requirements,layer) > layers/common/requirements.txt
	$(call requirements,worker) > functions/worker/requirements.txt

# With hashes: `sam build` then takes no file that is not the one that was locked.
requirements = $(UV) export --quiet --locked --only-group $(1) --no-annotate --no-header

.PHONY: sbom
sbom: setup  ## Write the bills of material (CycloneDX) of layer and worker into .build/sbom/
	@mkdir -p .build/sbom
	@for part in layer worker; do \
	  $(UV) export --quiet --locked --only-group $$part --format cyclonedx1.5 --preview-features sbom-export \
	    > .build/sbom/$$part.cdx.json && echo ".build/sbom/$$part.cdx.json" || exit 1; \
	done

.PHONY: audit
audit: setup  ## Known vulnerabilities of what ships; it asks api.osv.dev, and cannot work offline
	$(UV) audit --locked --no-default-groups --only-group layer
	$(UV) audit --locked --no-default-groups --only-group worker

.PHONY: openapi
openapi: setup  ## Write openapi.json as the code has it
	@PYTHONPATH=layers/common $(PYTHON) -m openapi.document

.PHONY: new-task
new-task: setup  ## Begin a task of your own: NAME=… writes it, its test and its eval
	@$(PYTHON) -m local.tasks.new_task '$(NAME)'

N ?= 100000

.PHONY: simulate
simulate: setup  ## The long simulation: N=100000 schedules over all cores
	@$(PYTHON) -m tests.simulation --n $(N)

ATTACKS ?= 20

.PHONY: attack
attack: setup  ## Attack a stack of its own on this machine, at length: ATTACKS=20 times what the tests do
	@UV='$(UV)' ATTACKS='$(ATTACKS)' $(PYTHON) -m pytest tests/attack tests/unit/test_odd_events.py \
	  tests/unit/push/test_odd_records.py tests/unit/job_events/test_events.py

.PHONY: permissions
permissions: setup  ## Take each action of each role away, one at a time, on a stack of its own
	@UV='$(UV)' EVERY_PERMISSION=1 $(PYTHON) -m pytest tests/integration/test_every_permission.py

.PHONY: defences
defences: setup  ## Take each defence of SECURITY.md away in a copy, and see its test fail: ONLY=… some
	@UV='$(abspath $(UV))' $(PYTHON) -m tests.defences $(if $(ONLY),--only '$(ONLY)')

JOBS ?= 500

.PHONY: bad-network
bad-network: setup  ## All three clients behind a bad network, on the local stack: JOBS=500 SEED=15
	@UV='$(UV)' TEST_EVERYTHING=1 BAD_NETWORK_JOBS='$(JOBS)' $(if $(SEED),BAD_NETWORK_SEED='$(SEED)') \
	  $(PYTHON) -m pytest tests/integration/test_bad_network.py -q -s

.PHONY: screenshots
screenshots: setup  ## Take README's pictures of the demo page again (needs Chromium)
	@UV='$(UV)' $(PYTHON) -m tests.browser.screenshots

# --- make bench ----------------------------------------------------------------------------

.PHONY: bench bench-ladder bench-tokens bench-progress bench-polling bench-push bench-slots bench-cache bench-cost bench-parts bench-poll bench-heart load
bench: bench-ladder bench-tokens bench-progress bench-polling bench-slots  ## The benches that need no network and no key

bench-ladder: .build/bench-venv  ## The cost of 1,000 jobs: cheap model, strong model, ladder
	@.build/bench-venv/bin/python -m bench.ladder

bench-tokens: .build/bench-venv  ## Tokens a job, from a plain prompt to the shipped one
	@.build/bench-venv/bin/python -m bench.tokens

bench-progress: setup  ## The error of the bar while it learns
	@$(PYTHON) -m bench.progress

bench-polling: setup  ## Polls a job, and the delay from stored to seen: every 2 s, in fixed steps, learned
	@$(PYTHON) -m bench.polling

bench-parts: setup  ## An answer in one call and in parts: first title, first part, whole, tokens, dollars, writes
	@$(PYTHON) -m bench.parts

bench-poll: setup  ## The instructions of a start and of a call, beside plain boto3 and Powertools (valgrind): ROWS='a poll'
	@UV='$(UV)' PYTHONPATH=.:layers/common:functions/worker $(PYTHON) -m bench.instructions $(if $(ROWS),--rows '$(ROWS)')

bench-heart: setup  ## A worker with 10 and 50 jobs in flight on little CPU: cost a job, memory, gaps between heartbeats
	@UV='$(UV)' PYTHONPATH=.:layers/common:functions/worker $(PYTHON) -m bench.heart

load: setup  ## Polls of up to 10,000 open jobs under the runtime client, beside FastAPI and Redis (redis-server)
	@UV='$(UV)' PYTHONPATH=.:layers/common:functions/worker $(PYTHON) -m bench.load

bench-cache: setup  ## Polls without a cache and with one, and the reads of a job that many phones wait for
	@UV='$(UV)' PYTHONPATH=.:layers/common:functions/worker $(PYTHON) -m bench.cache

bench-slots: setup  ## The wait of jobs, by jobs a day, workers and what these receive
	@PYTHONPATH=layers/common:functions/worker $(PYTHON) -m bench.slots

bench-cost: setup  ## What AWS charges for 1,000 jobs, by recorded runs of the code: some minutes
	@PYTHONPATH=layers/common:functions/worker:functions/push $(PYTHON) -m bench.cost

bench-push: setup  ## The delay from stored to seen with push, on the local stack: N=100
	@UV='$(UV)' $(PYTHON) -m bench.push $(if $(filter-out file,$(origin N)),--n $(N))

# The development tools and a tokenizer, which is too large to ask of everybody.
.PHONY: .build/bench-venv
.build/bench-venv: $(UV)
	@UV_PROJECT_ENVIRONMENT=$@ $(UV) sync --locked --quiet --only-group bench

.PHONY: try-small-model
try-small-model: setup  ## Ten answers of a real small model, each checked (downloads 120 MB)
	@$(PYTHON) -m bench.small_model

.PHONY: try-provider
try-provider: setup  ## Ask a real endpoint ten times: RUNG='{"provider": "mistral", "model": "…"}' KEY=…
	@KEY='$(KEY)' PYTHONPATH=layers/common:functions/worker $(PYTHON) -m bench.try_provider --rung '$(RUNG)'

TASK ?= recipe
BUDGET ?= 1.00
FLOOR ?= 0

.PHONY: eval
eval: setup  ## Judge a task's prompt: TASK=recipe MODEL=local or MODEL_LADDER=… BUDGET=1.00 FLOOR=0.9
	@PYTHONPATH=.:layers/common:functions/worker $(PYTHON) -m bench.evaluation '$(TASK)' \
	  $(if $(MODEL),--model '$(MODEL)') $(if $(MODEL_LADDER),--ladder '$(MODEL_LADDER)') \
	  --budget '$(BUDGET)' --floor '$(FLOOR)'

.PHONY: fuzz
fuzz: setup  ## The long fuzzing of the validator: N=100000 corrupted answers
	@$(PYTHON) -m tests.fuzz --n $(N) $(if $(SEED),--seed $(SEED))

# --- On AWS --------------------------------------------------------------------------------

ENV ?= dev
DEPLOY = PYTHONPATH=layers/common:functions/worker $(PYTHON) -m deploy.stack
_YES = $(if $(YES),--yes)

.PHONY: build deploy destroy smoke
build: setup  ## What is uploaded, with byte-code, into .aws-sam: ENV=dev (a section of samconfig.toml)
	@$(DEPLOY) build --env '$(ENV)'

deploy: setup  ## Build and deploy with one set of parameters: ENV=dev; YES=1 asks nothing
	@$(DEPLOY) deploy --env '$(ENV)' $(_YES)

destroy: setup  ## Take a stack away: ENV=dev; its table and users stay unless DATA=destroy
	@$(DEPLOY) destroy --env '$(ENV)' $(_YES) $(if $(filter destroy,$(DATA)),--with-data)

smoke: setup  ## Try a deployment, name what is wrong: ENV=dev, or URL=… TOKEN=…; else what make run serves
	@PYTHONPATH=layers/common:functions/worker $(PYTHON) -m deploy.smoke \
	  $(if $(URL),--url '$(URL)') $(if $(filter-out file,$(origin ENV)),--env '$(ENV)') \
	  $(if $(ORIGIN),--origin '$(ORIGIN)')

# --- Setting up ----------------------------------------------------------------------------

.PHONY: setup
setup: $(UV)  ## Install what development needs into .venv (with .build about 1 GB)
	@test -x $(PYTHON) || { $(find_python) || { test -z "$$UV_PYTHON" \
	  && echo "Python $(PYTHON_VERSION) is not here: downloading it" \
	  && $(UV) python install --quiet $(PYTHON_VERSION) 2> /dev/null && $(find_python); }; } || { \
	  echo "Python $(PYTHON_VERSION) is missing and uv cannot download it here:" \
	    "install it, or name one with UV_PYTHON=/path/to/python$(PYTHON_VERSION)" >&2; exit 1; }
	@test -d .venv || echo "installing the development tools into .venv (about 750 MB)"
	@$(UV) sync --locked --quiet

PYTHON_VERSION := $(shell cat .python-version)
find_python = $(UV) python find --quiet --no-python-downloads "$${UV_PYTHON:-$(PYTHON_VERSION)}" > /dev/null 2>&1

.build/uv-venv/bin/uv:
	@echo "uv is not on PATH: installing it into .build/uv-venv"
	@python3 -m venv .build/uv-venv
	@.build/uv-venv/bin/pip install --quiet uv==$(UV_VERSION)

.PHONY: help
help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 20
