#!/usr/bin/env bash
# Passes the output of `go test -v` through, without the lines that say a test was paused or continued.
set -euo pipefail
grep --line-buffered -v -e '^=== \(PAUSE\|CONT\|NAME\)' || true
