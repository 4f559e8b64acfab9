# Lentil. `make help` lists the targets; each installs what it needs and says so.

# The newest V8 headers live in a module that cgo cannot point at by itself.
# Evaluated per recipe line, after `modules` has fetched the module.
V8 = $(shell go list -m -f '{{.Dir}}' github.com/tommie/v8go)
export CGO_CXXFLAGS = -I$(V8)/deps/include

STEP    := .ci/step
EXAMPLE := examples/react-vite-authkit
NEXTJS  := examples/nextjs-authkit
START   := examples/tanstack-start-authkit

# Rooms where goroutines meet; they are examined once more with the race
# detector and the invariants that are too dear for production.
RACE := $(addsuffix /...,$(addprefix ./internal/,blob persistence database token scheduler filestorage udf \
	identity authflow wire/convexsync search node backup logstream server sideprocess outbound webhook directory integration sso \
	forward diagnosis platform archive depot wire/management web/dashboard \
	)) ./convex/... ./authkit/...

# Folders whose npm packages the tests and the examples use.
NPM := $(dir $(wildcard conformance/package-lock.json conformance/apps/*/package-lock.json examples/*/package-lock.json))

# Pinned tools, run without entering go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@latest

.PHONY: run run-next run-start build test test-long bench env help modules tools npm example-npm $(NPM)
.DEFAULT_GOAL := help

run: build example-npm ## start Lentil with the React example, then open the printed address
	@bin/lentil dev $(EXAMPLE) --start 'npm run dev'

run-next: build $(NEXTJS)/ ## the same with the Next.js example
	@bin/lentil dev $(NEXTJS) --start 'npm run dev'

run-start: build $(START)/ ## the same with the TanStack Start example
	@bin/lentil dev $(START) --start 'npm run dev'

build: modules ## compile the binary to bin/lentil
	@$(STEP) 'build bin/lentil' go build -ldflags=-w -o bin/lentil ./cmd/lentil

test: tools npm build ## everything that must pass before a change is merged
	@$(STEP) 'gofmt' sh -c 'bad=$$(gofmt -l $$(git ls-files "*.go")); test -z "$$bad" || { echo "run gofmt -w on:"; echo "$$bad"; exit 1; }'
	@$(STEP) 'go vet' go vet ./...
	@$(STEP) 'staticcheck' go run $(STATICCHECK) ./...
	@$(STEP) 'layout' go test -count=1 .
	@$(STEP) 'go test, fuzz seeds, scripts' go test ./...
	@$(STEP) 'go test -race -tags invariants' go test -race -tags invariants $(RACE)
	@$(STEP) 'conformance: official packages, real browser' sh -c 'cd conformance && node run.mjs'

test-long: test ## the long suites too: race everywhere, fuzzing, known vulnerabilities
	@$(STEP) 'go test -race everywhere' go test -race -tags invariants -timeout 60m ./...
	@$(STEP) 'fuzzing' sh -c 'go list ./... | while read -r p; do \
		for f in $$(go test -list "^Fuzz" "$$p" | grep "^Fuzz"); do \
			go test -run "^$$" -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-20s} "$$p" || exit 1; done; done'
	@$(STEP) 'known vulnerabilities' go run $(GOVULNCHECK) ./...

bench: build conformance/ ## measure; figures and machine go to bench/README.md
	@go run ./bench $(or $(ARGS),-write bench/README.md)

env: modules ## print shell lines that let plain `go build` find V8: eval "$$(make -s env)"
	@echo 'export CGO_CXXFLAGS="$(CGO_CXXFLAGS)"'

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Fetches the module that holds V8's headers; the others come as they are needed.
modules:
	@test -d "$(V8)" || $(STEP) 'download V8 headers' go mod download github.com/tommie/v8go

tools:
	@.ci/chromium
	@.ci/proxies

npm: $(NPM)

example-npm: $(EXAMPLE)/

# npm leaves a copy of the lock file in node_modules; a newer lock means a new install.
$(NPM):
	@test $@node_modules/.package-lock.json -nt $@package-lock.json || \
		$(STEP) 'npm ci in $(@:/=)' sh -c 'cd $@ && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json'
