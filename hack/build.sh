#!/usr/bin/env bash
# Builds one program and says meanwhile how far it is: hack/build.sh OUTPUT MODULE_DIR PACKAGE [go build flags...]
set -euo pipefail
out=$1 dir=$2 pkg=$3
shift 3
start=$SECONDS
tmp="$out.$$"
mkdir -p "$(dirname "$out")"
abs=$(cd "$(dirname "$tmp")" && pwd)/$(basename "$tmp")
log=$(mktemp)
trap 'rm -f "$log" "$abs"' EXIT
echo "building $out"
# -v prints a line for each package that is compiled: the count is the progress.
go build -C "$dir" -v -o "$abs" "$@" "$pkg" >"$log" 2>&1 &
pid=$!
last=0
while kill -0 "$pid" 2>/dev/null; do
	sleep 0.2
	now=$((SECONDS - start))
	if ((now - last >= 10)); then
		last=$now
		printf '  %s: %d packages compiled, %d s\n' "$(basename "$out")" "$(wc -l <"$log")" "$now"
	fi
done
if ! wait "$pid"; then
	cat "$log" >&2
	echo "building $out failed" >&2
	exit 1
fi
mv "$abs" "$out"
printf 'built %s in %d s (%d MB)\n' "$out" "$((SECONDS - start))" "$(($(stat -c %s "$out" 2>/dev/null || stat -f %z "$out") / 1000000))"
