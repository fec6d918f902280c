#!/usr/bin/env bash
# Regenerates into a copy of the tree and compares all of it, files that git does not track included:
# hack/verify.sh BIN_DIR
set -euo pipefail
bin=$1
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
fail=0

mkdir "$copy/have"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do
	[ ! -e "$f" ] || printf '%s\0' "$f"
done | tar --null -T - -cf - | tar -xf - -C "$copy/have"
cp -a "$copy/have" "$copy/want"

echo "verifying generated files"
"$copy/want/hack/generate.sh" "$bin"
echo "verifying go.mod and go.sum of the modules"
"$copy/want/hack/tidy.sh" --quick
if ! diff -ruN "$copy/have" "$copy/want"; then
	echo 'these files are not as generated: run "make generate tidy" and commit' >&2
	fail=1
fi

for config in default default-certmanager; do
	echo "verifying that config/$config builds"
	"$bin/kubectl" kustomize "config/$config" >"$copy/$config.yaml" || fail=1
	for kind in CustomResourceDefinition ValidatingWebhookConfiguration; do
		grep -q "kind: $kind" "$copy/$config.yaml" || { echo "config/$config holds no $kind" >&2; fail=1; }
	done
done

echo "verifying that the chart installs what config/ does"
go test ./hack/chart -skip TestServer || fail=1

echo "verifying that alerts and dashboards are of metrics that there are"
go test -C hack/dashboards ./... || fail=1

echo "verifying shell scripts"
for f in hack/*.sh .ci/run; do bash -n "$f" || fail=1; done

exit $fail
