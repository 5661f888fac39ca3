#!/usr/bin/env bash
# Checks what is named (bans, licenses, sources, advisories) with cargo-deny, which is built
# once when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools=$PWD/target/tools
if ! command -v cargo-deny >/dev/null && [ ! -x "$tools/bin/cargo-deny" ]; then
  echo "building cargo-deny $version" >&2
  cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" --debug \
    "cargo-deny@$version"
fi
PATH=$PATH:$tools/bin cargo deny --locked check "$@"
