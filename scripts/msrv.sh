#!/usr/bin/env bash
# Builds the program with the oldest compiler that Cargo.toml promises.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rustup toolchain install --profile minimal "$version"
cargo "+$version" check --locked --target-dir target/msrv
