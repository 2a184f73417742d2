# Every target does its own set-up. The go command fetches the toolchain that
# go.mod pins, also on a machine that is set to use its own alone.
export GOTOOLCHAIN := auto
SHELL := bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo test e2e lint fuzz bench conformance

FUZZTIME ?= 10s# how long each fuzz target runs
BENCH ?= .# which benchmarks run
COUNT ?= 6# how often each runs: benchstat needs 6 to tell noise from change

help: ## list the targets
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14

build: ## build bin/bundler
	go build -trimpath -ldflags '-s -w' -o bin/ ./cmd/bundler

demo: build ## a private CA, then a private Sigstore: sign, verify, tamper; offline
	@.ci/need openssl
	@testdata/demo.sh

test: ## run every test, installing the programs they need
	@.ci/need openssl gcc softhsm2-util pkcs11-tool
	CGO_ENABLED=1 go test ./...

e2e: ## run the command line's own tests: the manual that runs
	@.ci/need openssl gcc softhsm2-util pkcs11-tool
	CGO_ENABLED=1 go test -count=1 ./cmd/...

lint: ## check format, vet and staticcheck
	@.ci/gofmt
	go vet ./...
	go tool -modfile=.ci/tools.mod staticcheck ./...

fuzz: ## fuzz every target for FUZZTIME (10s) each
	@.ci/fuzz $(FUZZTIME)

bench: ## compare implementations: BENCH (all), COUNT (6) times, bundles of VECTORS=DIR
	@mkdir -p .cache
	BUNDLER_VECTORS='$(abspath $(VECTORS))' go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $$(.ci/benchmarks) | tee .cache/bench.txt
	go tool -modfile=.ci/tools.mod benchstat -col /impl .cache/bench.txt

conformance: ## run the public suites' cases in VECTORS=DIR
	@.ci/conformance '$(VECTORS)'
