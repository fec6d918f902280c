#!/usr/bin/env bash
# Generates the CustomResourceDefinitions of the chart kubefed from upstream's Go types: hack/kubefed-crds.sh BIN_DIR
# They are read in the module that upstream's controller manager is built in, so that both have the same versions of what the
# types consist of. Descriptions are left out: they would be half of every release that Helm keeps in a Secret.
set -euo pipefail
bin=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd e2e/kubefed && "$bin/controller-gen" crd:maxDescLen=0 paths=sigs.k8s.io/kubefed/pkg/apis/... "output:crd:dir=$work")
go run ./hack/kubefedcrds "$work" charts/cellfed/charts/kubefed/crds
