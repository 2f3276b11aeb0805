# make demo   the main job, end to end, on a throw-away SoftHSM token
# make test   everything that can be tested, with the race detector
# make build  bin/ssovault            make bench  speed, side by side
# make man    manual pages in bin/man
# make crash  every point of the crash tests, of which make test takes one in seven
SHELL := /bin/bash
GO    ?= go
BIN   := bin/ssovault

.PHONY: build man demo test crash lint vet bench fuzz deps clean
build: $(BIN)

# -buildvcs=auto stamps the commit when there is a repository to ask.
$(BIN): $(shell find cmd internal -name '*.go' -not -name '*_test.go') go.mod go.sum
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags="-s -w" -buildvcs=auto -o $@ ./cmd/ssovault

man:
	$(GO) run -tags man ./cmd/ssovault bin/man/man1

demo: deps-demo build
	./testdata/demo/demo.sh

test: deps vet
	CGO_ENABLED=1 $(GO) test -race -timeout 40m ./...

crash: deps
	SSOVAULT_EVERY_POINT=1 CGO_ENABLED=1 $(GO) test -timeout 6h -v -run 'Crash|CutOff' ./cmd/ssovault

# Checks and their reasons are in staticcheck.conf.
lint:
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

vet:
	@test -z "$$(gofmt -l cmd internal)" || { gofmt -l cmd internal; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...

bench: deps build
	./testdata/deps.sh age zstd
	./testdata/bench/bench.sh

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 30s
fuzz: deps
	./testdata/fuzz.sh $(FUZZTIME)

# What tests need beside Go and gcc: a token with GCM, one without, two other
# programs that read our files, and a terminal.
deps:
	./testdata/deps.sh softhsm2 opencryptoki opensc openssl strace default-jdk-headless
deps-demo:
	./testdata/deps.sh softhsm2 openssl
.PHONY: deps-demo

clean:
	rm -rf bin .demo
