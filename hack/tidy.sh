#!/usr/bin/env bash
# Tidies every module: hack/tidy.sh [--quick]. --quick leaves out those whose dependencies take minutes to fetch. -e for the root: a test of sigs.k8s.io/kubefed v0.10.0 imports a package that controller-runtime no
# longer has, which nothing here needs.
set -euo pipefail
cd "$(dirname "$0")/.."
go mod tidy -e 2>&1 | grep -v -e 'sigs.k8s.io/kubefed' -e 'envtest/printer' -e 'github.com/cellfed/cellfed' || true
modules=(controlplane e2e/helm e2e/kubefed e2e/kwok hack/tools)
[[ ${1-} == --quick ]] || modules+=(e2e/argocd hack/dashboards)
for m in "${modules[@]}"; do
	go -C "$m" mod tidy
done
