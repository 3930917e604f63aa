# Every job of the project. "make help" lists them.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  ?= $(shell git rev-parse --short=7 HEAD 2>/dev/null)
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS  = -s -w -X main.buildVersion=$(VERSION) -X main.buildCommit=$(COMMIT) -X main.buildDate=$(DATE)
LINT     = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 30s

.PHONY: help build install check vet lint test race spec docs man interop look bench fuzz soak clean

help: ## List the jobs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build ./bin/policy
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/policy ./cmd/policy

install: ## Install policy into GOBIN
	CGO_ENABLED=0 $(GO) install -trimpath -ldflags '$(LDFLAGS)' ./cmd/policy

check: vet test ## What every commit passes: vet and test

vet: ## Formatting, and go vet for three systems
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt -w . would change $$files" >&2; exit 1; }
	GOOS=linux $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...

lint: ## Run golangci-lint
	$(LINT) run ./...

test: ## Run every test: units, Starlark chunks, spec cases, examples
	$(GO) test -timeout 20m ./...

race: ## Run every test under the race detector
	$(GO) test -race -timeout 60m ./...

spec: ## Run the executable specification
	$(GO) test -count=1 -run 'TestSpec|TestExamples' ./cmd/policy

docs: ## Make spec/builtins.md from the declarations
	$(GO) run ./cmd/policy doc > spec/builtins.md

man: ## Make the manual pages, below ./bin/man
	$(GO) run -ldflags '$(LDFLAGS)' ./cmd/policy doc --man bin/man/man1

interop: ## Show that registries, OPA, conftest, crane and others agree with us
	cd spec/interop && $(GO) test -count=1 -v .

look: ## Take pictures of reports in a browser, into bin/look
	mkdir -p bin/look
	POLICY_LOOK=$(CURDIR)/bin/look $(GO) test -count=1 -run TestPages ./cmd/internal/report
	@browser=$$(command -v chromium || command -v chromium-browser || command -v google-chrome) || \
		{ echo "make look takes pictures with Chromium: apt-get install chromium" >&2; exit 1; }; \
	shoot() { "$$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars $$4 --window-size=$$3 \
		--screenshot="$(CURDIR)/bin/look/$$2.png" "file://$(CURDIR)/bin/look/$$1.html" >/dev/null 2>&1 && echo "bin/look/$$2.png"; }; \
	for page in good bad many empty; do \
		shoot $$page $$page 1200,1800 && shoot $$page $$page-narrow 500,1800 && \
		shoot $$page $$page-dark 1200,1800 --blink-settings=preferredColorScheme=0 || exit 1; \
	done

bench: ## Measure against other tools; writes spec/bench/RESULTS.md
	cd spec/bench && $(GO) run .

fuzz: ## Run every fuzz target for FUZZTIME each
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

soak: ## Run the long forms of the tests: crashes, races, full disks
	POLICY_SOAK=1 $(GO) test -count=1 -timeout 60m ./builtins/internal/store/ ./cmd/policy/

clean: ## Remove what was built
	rm -rf bin dist
