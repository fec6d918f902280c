#!/usr/bin/env bash
# Writes the generated parts of charts/cellfed anew, in the tree it stands in: hack/chart.sh BIN_DIR
set -euo pipefail
bin=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT
"$bin/kubectl" kustomize config/default >"$rendered"
go run ./hack/chart charts/cellfed <"$rendered"
# Alerts and dashboards are kept beside the other manifests, and shipped in the chart.
mkdir -p charts/cellfed/files
if [ -f config/prometheus/alerts.yaml ]; then
	cp config/prometheus/alerts.yaml charts/cellfed/files/alerts.yaml
fi
if [ -d config/prometheus/dashboards ]; then
	rm -rf charts/cellfed/files/dashboards
	mkdir -p charts/cellfed/files/dashboards
	cp config/prometheus/dashboards/*.json charts/cellfed/files/dashboards/
fi
