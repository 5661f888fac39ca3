#!/usr/bin/env bash
# Renders manifests/ from the chart with plain values. With --check it changes nothing and
# fails when the two differ.
set -euo pipefail
cd "$(dirname "$0")/.."

helm=${HELM:-$(command -v helm || true)}
[ -n "$helm" ] || helm=$(tests/e2e/tools/build.sh)/helm
target=manifests/archmatch.yaml
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export HELM_CACHE_HOME=$out HELM_CONFIG_HOME=$out HELM_DATA_HOME=$out

render() {
  printf '# Rendered from charts/archmatch with its plain values; change the chart, then `make render`.\n'
  printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: archmatch\n'
  printf '  labels:\n    pod-security.kubernetes.io/enforce: restricted\n'
  "$helm" template archmatch charts/archmatch --namespace archmatch
}

render > "$out/rendered.yaml"
if [ "${1:-}" = --check ]; then
  diff -u "$target" "$out/rendered.yaml" || { echo "run make render and commit $target" >&2; exit 1; }
else
  cp "$out/rendered.yaml" "$target"
fi
