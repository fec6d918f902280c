# cellfed's targets: `make help` lists them.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The Kubernetes that controlplane runs, which must know its own version.
KUBE_VERSION := $(shell sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\)$$/\1/p' controlplane/go.mod)
BIN := bin
PROGRAMS := $(BIN)/manager $(BIN)/kubectl-cells $(BIN)/controlplane $(BIN)/kubectl $(BIN)/hyperfed $(BIN)/kwok
TOOLS := $(BIN)/controller-gen $(BIN)/crd-ref-docs $(BIN)/golangci-lint
export CELLFED_BIN := $(abspath $(BIN))

GO_FILES := $(shell find api cmd controllers internal webhooks -name '*.go' -not -name '*_test.go' 2>/dev/null) $(wildcard *.go) go.mod go.sum

##@ Use

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*##/ {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: bin ## Boot a host and two member clusters, release to three cells, and show what arrives (KEEP=1 leaves it running).
	@go run ./e2e/cmd/demo

.PHONY: demo-stop
demo-stop: ## Stop a demo that KEEP=1 left running.
	@go run ./e2e/cmd/demo stop

##@ Test

.PHONY: test
test: test-unit test-controlplane test-e2e test-push ## Run all tests: unit, against a real API server, end to end.

.PHONY: test-unit
test-unit: bin ## Run the unit tests and those that need one API server.
	@echo "testing the packages, with the race detector"
	go test -race -timeout 20m . ./api/... ./bench/... ./cmd/... ./controllers/... ./e2e/cmd/... ./e2e/docs/pages ./e2e/docs/static ./e2e/framework/... ./hack/image ./hack/metrics/... ./hack/release/... ./internal/... ./webhooks/...

.PHONY: test-controlplane
test-controlplane: ## Run controlplane's tests.
	@echo "testing controlplane (linking its tests takes a minute)"
	go test -C controlplane -timeout 20m ./...

.PHONY: test-e2e
test-e2e: bin ## Run the end-to-end suites: a host and two members with upstream KubeFed.
	@echo "testing end to end (several minutes)"
	go test -count=1 -timeout 40m -v ./e2e | hack/e2e-summary.sh

.PHONY: test-push
test-push: bin ## Run the end-to-end suites once more, with every type handed over to the push reconciler.
	@echo "testing end to end under the push reconciler (several minutes)"
	CELLFED_E2E_PROPAGATOR=Cellfed go test -count=1 -timeout 40m -v ./e2e | hack/e2e-summary.sh

.PHONY: test-faults
test-faults: bin ## Kill, freeze, delay and restart what a release depends on, and look at what is left.
	@echo "testing faults (several minutes)"
	go test -count=1 -timeout 40m -v ./e2e/faults | hack/e2e-summary.sh

.PHONY: test-tenants
test-tenants: bin ## Play a hostile tenant, and print what it tried, what it was answered, and what it reached.
	@echo "testing what one tenant can do to another (several minutes)"
	go test -count=1 -timeout 40m -v ./e2e/tenants | hack/e2e-summary.sh

.PHONY: test-chart
test-chart: bin $(BIN)/helm ## Test the chart: what it renders, beside config/, and its life on a real API server.
	@echo "testing the chart (some minutes)"
	go test -count=1 -timeout 20m ./hack/chart

.PHONY: test-kubefed-chart
test-kubefed-chart: bin $(BIN)/helm ## Install upstream KubeFed by its chart and run it with the chart's rights alone.
	@echo "testing the chart of upstream KubeFed (a minute)"
	go test -count=1 -timeout 20m -v ./e2e/kubefedchart | hack/e2e-summary.sh

.PHONY: e2e-helm
e2e-helm: bin $(BIN)/helm ## Take the chart through a release's life by the real helm, with what it installs running with its rights.
	@echo "testing the chart's life (some minutes)"
	go test -count=1 -timeout 20m ./hack/chart
	go test -count=1 -timeout 30m -v ./e2e/helmlife | hack/e2e-summary.sh

.PHONY: e2e-gitops
e2e-gitops: bin $(BIN)/gitops-agent ## Sync examples/gitops by Argo CD's engine, and run the health checks and actions by it.
	@echo "testing under Argo CD (building its modules takes five minutes, the first time)"
	go test -C e2e/argocd -timeout 20m ./...
	go test -count=1 -timeout 20m -v ./e2e/gitops | hack/e2e-summary.sh

.PHONY: test-docs
test-docs: bin $(BIN)/helm ## Run the commands of the guides in docs/ against a host and two members.
	@echo "running the documentation's commands (a few minutes)"
	go test -count=1 -timeout 30m -v ./e2e/docs | hack/e2e-summary.sh

.PHONY: test-plugin
test-plugin: bin ## Drive kubectl cells from join to uninstall, against a host and a member.
	@echo "testing the plugin (some minutes)"
	go test -count=1 -timeout 20m -v ./e2e/plugin | hack/e2e-summary.sh

.PHONY: test-alerts
test-alerts: $(BIN)/promtool ## Test the alerts with promtool, and that every query of alerts and dashboards is of metrics that there are.
	go test -C hack/dashboards ./...
	cd config/prometheus && $(abspath $(BIN))/promtool check rules alerts.yaml && $(abspath $(BIN))/promtool test rules alerts_test.yaml

.PHONY: test-model
STEPS ?= 100000
SEED ?= 1
test-model: ## Walk the push reconciler at random for STEPS steps from SEED, and check its invariants after each.
	go test -count=1 -timeout 120m -v ./controllers/propagation -run '^TestModel$$' -model.steps=$(STEPS) -model.seed=$(SEED)

.PHONY: fuzz
FUZZTIME ?= 30s
fuzz: ## Run every fuzz target for FUZZTIME.
	@hack/fuzz.sh $(FUZZTIME)

##@ Measure

.PHONY: bench
bench: bench-admission bench-conversion bench-facade bench-list bench-propagation ## Run all benchmarks.

.PHONY: bench-admission
bench-admission: bin ## Writes of a federated object with and without admission.
	go run ./bench/admission

.PHONY: bench-conversion
bench-conversion: ## Conversion beside decoding to unstructured and encoding again.
	go run ./bench/conversion

.PHONY: bench-facade
bench-facade: bin ## Requests through the façade beside the same requests direct.
	go run ./bench/facade

.PHONY: bench-propagation
bench-propagation: bin ## Propagation beside upstream KubeFed, and beside writing to the members directly (ARGS for its flags).
	go run ./bench/propagation $(ARGS)

.PHONY: bench-list
bench-list: bin ## A list of 5,000 federated objects in both versions.
	go run ./bench/list

##@ Build

.PHONY: bin
bin: $(PROGRAMS) ## Build the manager and the programs that the demo and the tests run.

$(BIN)/manager: $(GO_FILES)
	@hack/build.sh $@ . . -ldflags "-X main.version=$(VERSION)"

$(BIN)/kubectl-cells: $(GO_FILES)
	@hack/build.sh $@ . ./cmd/kubectl-cells -ldflags "-X main.version=$(VERSION)"

$(BIN)/controlplane: $(shell find controlplane -name '*.go' -not -name '*_test.go') controlplane/go.mod controlplane/go.sum
	@echo "a real Kubernetes $(KUBE_VERSION) control plane: about ten minutes on two cores, the first time"
	@hack/build.sh $@ controlplane .

$(BIN)/kubectl: $(BIN)/controlplane
	@ln -sf controlplane $@

$(BIN)/hyperfed: e2e/kubefed/go.mod e2e/kubefed/go.sum
	@hack/build.sh $@ e2e/kubefed sigs.k8s.io/kubefed/cmd/hyperfed

$(BIN)/kwok: e2e/kwok/go.mod e2e/kwok/go.sum
	@hack/build.sh $@ e2e/kwok sigs.k8s.io/kwok/cmd/kwok

$(BIN)/helm: e2e/helm/go.mod e2e/helm/go.sum
	@hack/build.sh $@ e2e/helm helm.sh/helm/v4/cmd/helm

$(BIN)/gitops-agent: $(shell find e2e/argocd -name '*.go' -not -name '*_test.go') e2e/argocd/go.mod e2e/argocd/go.sum
	@hack/build.sh $@ e2e/argocd .

$(BIN)/promtool: hack/dashboards/go.mod hack/dashboards/go.sum
	@hack/build.sh $@ hack/dashboards github.com/prometheus/prometheus/cmd/promtool -tags remove_all_sd

$(BIN)/controller-gen: hack/tools/go.mod hack/tools/go.sum
	@hack/build.sh $@ hack/tools sigs.k8s.io/controller-tools/cmd/controller-gen

$(BIN)/crd-ref-docs: hack/tools/go.mod hack/tools/go.sum
	@hack/build.sh $@ hack/tools github.com/elastic/crd-ref-docs

$(BIN)/cyclonedx-gomod: hack/tools/go.mod hack/tools/go.sum
	@hack/build.sh $@ hack/tools github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

$(BIN)/golangci-lint: hack/tools/go.mod hack/tools/go.sum
	@hack/build.sh $@ hack/tools github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: image
image: ## Build the image for two architectures (IMAGE=REPOSITORY:TAG; IMAGE_ARGS=--push sends it there).
	docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=$(VERSION) \
		--build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) --tag $(or $(IMAGE),cellfed/manager:$(VERSION)) $(IMAGE_ARGS) .

.PHONY: release
release: $(BIN)/helm $(BIN)/cyclonedx-gomod ## Build what is published of VERSION into dist/ (PLATFORMS="linux/amd64" for some, ALLOW_DIRTY=1 to try it out).
	@hack/release.sh $(VERSION)

.PHONY: clean
clean: ## Remove what was built.
	rm -rf $(BIN) dist

##@ Develop

.PHONY: transcript
transcript: bin ## Run every verb of kubectl cells against real clusters, and write docs/kubectl-cells.md from it.
	@go run ./e2e/cmd/transcript docs/kubectl-cells.md

.PHONY: generate
generate: $(BIN)/controller-gen $(BIN)/crd-ref-docs $(BIN)/kubectl ## Regenerate deepcopy, CRDs, RBAC, the references, the dashboards and the chart.
	@hack/generate.sh $(abspath $(BIN))

.PHONY: chart
chart: generate ## Regenerate the chart from config/ (and config/ from the code).
	@git status --short charts

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code.
	$(BIN)/golangci-lint fmt

.PHONY: tidy
tidy: ## Tidy every module's go.mod.
	@hack/tidy.sh

.PHONY: lint
lint: $(BIN)/golangci-lint ## Run the linters over the modules that are built here.
	@for m in . controlplane; do echo "linting $$m"; (cd $$m && $(abspath $(BIN))/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: verify
verify: $(TOOLS) $(BIN)/kubectl $(BIN)/helm lint ## Check formatting, lint, and that everything generated is as committed.
	@hack/verify.sh $(abspath $(BIN))
