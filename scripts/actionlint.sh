#!/usr/bin/env bash
# Checks the workflows with actionlint, built from its Go module.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v go >/dev/null; then
  echo "the workflows are not checked: it needs Go" >&2
  [ -z "${CI:-}" ]
  exit
fi
# Other linters that happen to be installed are not asked: the answer is the same everywhere.
go -C scripts/actionlint tool actionlint -shellcheck= -pyflakes= "$PWD"/.github/workflows/*.yml
