#!/usr/bin/env bash
# Regenerates everything that is generated, in the tree it stands in: hack/generate.sh BIN_DIR
set -euo pipefail
bin=$1
cd "$(dirname "$0")/.."
rm -rf config/crd/bases
"$bin/controller-gen" object:headerFile=hack/boilerplate.go.txt paths=./api/...
"$bin/controller-gen" crd rbac:roleName=manager paths=./api/... paths=./controllers/... paths=./internal/... paths=./webhooks/... \
	output:crd:artifacts:config=config/crd/bases output:rbac:artifacts:config=config/rbac
mkdir -p docs/reference
"$bin/crd-ref-docs" --source-path=./api --config=hack/crd-ref-docs.yaml --renderer=markdown \
	--output-path=docs/reference/api.md --log-level=ERROR
go run ./hack/metrics >docs/reference/metrics.md
go run ./hack/clidocs docs/reference/kubectl-cells.md
go -C hack/dashboards run . "$PWD/config/prometheus/dashboards"
hack/argocd.sh
hack/kubefed-crds.sh "$bin"
hack/chart.sh "$bin"
