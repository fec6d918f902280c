#!/usr/bin/env bash
# Tidies every module. -e for the root: a test of sigs.k8s.io/kubefed v0.10.0 imports a package that controller-runtime no
# longer has, which nothing here needs.
set -euo pipefail
cd "$(dirname "$0")/.."
go mod tidy -e 2>&1 | grep -v -e 'sigs.k8s.io/kubefed' -e 'envtest/printer' -e 'github.com/cellfed/cellfed' || true
for m in controlplane e2e/argocd e2e/helm e2e/kubefed e2e/kwok hack/dashboards hack/tools; do
	go -C "$m" mod tidy
done
