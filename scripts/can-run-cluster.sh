#!/usr/bin/env bash
# Says in one line why the real cluster cannot run here, and fails then.
set -euo pipefail

fail() {
  echo "the tests on a real cluster are left out: $1" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] || fail "they need Linux"
[ "$(id -u)" = 0 ] || fail "they need root, for namespaces of their own"
command -v go >/dev/null || fail "they need Go, to build Kubernetes"
unshare --net --mount --pid --fork true 2>/dev/null || fail "this machine allows no namespaces"
[ -d /sys/fs/cgroup/memory ] || fail "they need cgroup v1, which is what they were tried on"
