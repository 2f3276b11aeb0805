#!/bin/bash
# Runs every fuzz target of the project for the given time each.
set -euo pipefail
time=${1:-30s}
go list ./... | while read -r package; do
	dir=$(go list -f '{{.Dir}}' "$package")
	targets=$(grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' || true)
	for target in $targets; do
		echo "== $package $target"
		# Without its bound the minimiser takes most of the time.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "$package"
	done
done
