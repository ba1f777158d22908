# demine: eight targets, no more.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -buildvcs=false
VERSION ?= 0.1.0-dev
LDFLAGS := -s -w -X demine/internal/cli.Version=$(VERSION)

.PHONY: check test build generate lab demo bench fuzz

build: ## the product and the lab's command, static
	go build -trimpath -ldflags '$(LDFLAGS)' -o demine ./cmd/demine
	go build -trimpath -o demine-lab ./cmd/demine-lab

check: ## format, vet, static analysis, generated files
	.ci/check

test: ## everything: installs what it needs, check, race, fuzz seconds, lab
	.ci/deps
	.ci/check
	CGO_ENABLED=1 go test -race ./...
	.ci/fuzz 20000x
	$(MAKE) build lab

generate: ## files that are made from others
	go generate ./...

lab: build ## throwaway infected hosts, examined with the built binary (root)
	go test -tags lab -count=1 -timeout 55m ./lab/...

demo: build ## the incident from the outage to the open shop, on a throwaway host (root); 8 min
	@./demine-lab down demo 2>/dev/null || true
	./demine-lab up seed --name demo --threads 8
	./demine-lab story demo
	./demine-lab down demo

bench: build ## against the physical limit; results in docs/results
	go test -run '^$$' -bench . -benchtime 3x ./bench/...

fuzz: ## every parser, a million inputs each
	.ci/fuzz 1000000x
