#!/bin/bash
# Builds the oracle and prints its path. Progress goes to standard error. The
# file is named after everything that goes into it, so an unchanged second call
# only looks it up.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
store=$(cd "$here/../.." && pwd)/target/oracle
cd "$here"

command -v go > /dev/null || { echo "oracle: go is not installed" >&2; exit 1; }
key=$({ go version; cat go.mod go.sum build.sh ./*.go; } | sha256sum | cut -c 1-16)
program=$store/oracle-$key
if [ ! -x "$program" ]; then
  # Two calls at once would only be in each other's way: the second waits, and
  # then finds the file.
  mkdir -p "$store"
  exec 9> "$store/lock"
  flock 9
fi
if [ ! -x "$program" ]; then
  echo "oracle: building with $(go version | cut -d ' ' -f 3), 2 minutes the first time" >&2
  new=$(mktemp "$store/.build-XXXXXX")
  trap 'rm -f "$new"' EXIT
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$new" . >&2
  rm -f "$store"/oracle-*
  mv "$new" "$program"
  trap - EXIT
fi
echo "$program"
