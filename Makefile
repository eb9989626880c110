# Two commands do everything: `make run` opens the demo shop, `make test` checks the whole project.
.DEFAULT_GOAL := help
.PHONY: help run test test-clients torture fuzz reliability lint guards bench bench-hot bench-all bench-lists \
	bench-plans bench-overload bench-audit bench-growth bench-gateway bench-workers bench-peers bench-curves \
	bench-pretix plots mutants docs format advisories lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
SHELL := /bin/sh

# What bench-all runs, in this order, and the Debian packages that they need together.
BENCHES := bench bench-hot bench-curves bench-plans bench-lists bench-overload bench-audit bench-gateway
BENCHES += bench-workers bench-peers bench-growth bench-pretix
BENCH_PACKAGES := haproxy squid wrk

help: ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements-dev.lock pyproject.toml scripts/make-venv
	@scripts/make-venv $(VENV)
	@touch $@

# What draws the plots is large, and nobody else needs it.
$(BENCH_STAMP): requirements-bench.lock $(STAMP)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock
	@touch $@

run: $(STAMP) ## Open the demo shop on 127.0.0.1:8000 (Ctrl-C ends it, its data stays in ./novaproxy-data).
	@exec $(BIN)/novaproxy serve --demo

test: $(STAMP) ## Run the whole check: ruff, mypy, import-linter, pytest on real PostgreSQL.
	@scripts/check $(BIN)

test-clients: $(STAMP) ## Run the examples, and curl, Chromium and others through the proxy; one that is missing here is a failure.
	@NOVAPROXY_CLIENTS=required $(BIN)/pytest -q tests/clients

torture: $(STAMP) ## Try to break the shop: MINUTES=10, SEED=123 repeats a draw, ONLY=name runs one part, WRITE=1 keeps the figures.
	@PYTHONPATH=tests $(BIN)/python -m torture $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(foreach name,$(ONLY),--only $(name)) $(if $(WRITE),--write)

fuzz: $(STAMP) ## Fuzz the gateway's readers by coverage, SECONDS=60 (needs atheris in .venv).
	@PYTHONPATH=tests nice $(BIN)/python tests/coverage_fuzz.py $(or $(SECONDS),60)

reliability: $(STAMP) ## Write docs/reliability.md from the figures that the commands kept.
	@PYTHONPATH=tests $(BIN)/python -m torture.page

lint: $(STAMP) ## Run the linters alone.
	@scripts/check $(BIN) --lint

guards: $(STAMP) ## Remove each guard in a scratch copy; its tests must fail (about 10 minutes; ONLY=name,name JOBS=2).
	@PYTHONPATH=tests $(BIN)/python -m guards --only "$(ONLY)" --jobs "$(or $(JOBS),2)"

bench: $(STAMP) ## Measure the order rate beside pgbench, into docs/benchmarks.md (8 minutes, 4 GB).
	@$(BIN)/python -m benchmarks.order_rate --write

bench-hot: $(STAMP) ## Measure the order rate on one hot account and one hot discount code (8 minutes, 3 GB).
	@$(BIN)/python -m benchmarks.hot_rate --write

bench-all: $(STAMP) ## Run every benchmark; it first says how long that takes and what it needs.
	@$(BIN)/python -m benchmarks.plan $(foreach package,$(BENCH_PACKAGES),--packages $(package)) $(BENCHES)
	@failed=; for bench in $(BENCHES); do \
		echo "== make $$bench"; $(MAKE) --no-print-directory $$bench || failed="$$failed $$bench"; \
	done; \
	if [ -n "$$failed" ]; then echo "Failed:$$failed" >&2; exit 1; fi

bench-lists: $(STAMP) ## Measure long lists, and what others notice of them, alone (about 2 minutes).
	@$(BIN)/python -m benchmarks.order_lists --write

bench-plans: $(STAMP) ## Measure GET /plans beside a bare Starlette route (about 4 minutes; needs wrk).
	@$(BIN)/python -m benchmarks.plans --write

bench-overload: $(STAMP) ## Measure what happens when twice as many orders arrive as can be placed (about 2 minutes).
	@$(BIN)/python -m benchmarks.overload --write

bench-audit: $(STAMP) ## Measure the audit over a million orders, and what it takes from those who order (6 minutes, 4 GB).
	@$(BIN)/python -m benchmarks.audit --write

bench-growth: $(STAMP) ## Measure what an order costs in shops of up to 10 million orders (about 18 minutes, 18 GB of disk).
	@$(BIN)/python -m benchmarks.growth --write

bench-gateway: $(STAMP) ## Measure the gateway beside HAProxy, Squid and asyncio's streams (about 3 minutes).
	@$(BIN)/python -m benchmarks.gateway --write

bench-workers: $(STAMP) ## Measure 1, 2 and 4 workers, and two services on one database (5 minutes, 2 GB).
	@$(BIN)/python -m benchmarks.workers --write

PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
PRETIX := .venv-pretix
PRETIX_STAMP := $(PRETIX)/.installed
PRETIX_LOCK := benchmarks/peers/pretix.lock

$(PEERS_STAMP): requirements-peers.lock scripts/make-peers
	@scripts/make-peers $(PEERS) requirements-peers.lock
	@touch $@

$(PRETIX_STAMP): $(PRETIX_LOCK) scripts/make-peers
	@scripts/make-peers $(PRETIX) $(PRETIX_LOCK)
	@touch $@

bench-peers: $(STAMP) $(PEERS_STAMP) ## Measure the order rate beside the same order written in other ways (6 minutes, 2 GB).
	@$(BIN)/python -m benchmarks.order_peers --write

bench-curves: $(BENCH_STAMP) ## Measure rate and times by connections, at half load, start and memory, and draw it (5 minutes, 3 GB).
	@$(BIN)/python -m benchmarks.curves --write
	@$(BIN)/python -m benchmarks.footprint --write
	@$(BIN)/python -m benchmarks.plots --write

plots: $(BENCH_STAMP) ## Draw docs/plots anew from the figures that the benchmarks kept.
	@$(BIN)/python -m benchmarks.plots --write

bench-pretix: $(STAMP) $(PRETIX_STAMP) ## Measure the order rate beside pretix's, on one PostgreSQL (8 minutes, 2 GB).
	@$(BIN)/python -m benchmarks.order_pretix --write

mutants: $(STAMP) ## Change the rules in one place at a time: a test must fail each time.
	@PYTHONPATH=tests $(BIN)/python -m mutants --write

docs: $(STAMP) ## Write docs/api.md and docs/settings.md anew, from the code.
	@$(BIN)/python -m novaproxy.openapi.reference > docs/api.md
	@$(BIN)/novaproxy settings --markdown > docs/settings.md

format: $(STAMP) ## Let ruff format and mend what it can.
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

advisories: ## Look each locked dependency up among the known vulnerabilities (asks an advisory service).
	@scripts/advisories .venv-advisories

lock: ## Pin the dependencies anew (needs uv).
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet pyproject.toml -o requirements.lock
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet -c requirements.lock pyproject.toml --group dev --group build -o requirements-dev.lock
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet --group advisories -o requirements-advisories.lock
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet -c requirements-dev.lock --group peers -o requirements-peers.lock
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet -c requirements-dev.lock --group bench -o requirements-bench.lock
	uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet --group pretix -o $(PRETIX_LOCK)

clean: ## Remove the environment and the caches; the shop's data stays.
	rm -rf $(VENV) .venv-advisories $(PEERS) $(PRETIX) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
