#!/bin/bash
# supervise.sh TOOLS: one cluster, for as long as standard input stays open.
#
# The test holds the other end of that pipe and never writes to it: when the
# test ends, however it ends, the kernel closes the pipe and the cluster goes.
# Should this supervisor be killed itself, the kernel kills the cluster with it,
# and the next start removes the directories that were left.
#
# Prints "ready RUN" on standard output once the real node is ready, with RUN
# the folder for exec.sh.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$1" && pwd)
target=$(cd "$here/../../.." && pwd)/target
# Longer than any test takes; a hung test must not keep a cluster for days.
limit=5400
start_limit=180

run=$target/e2e-run/$$
group=archmatch-e2e-$$
cluster= init=

remove_groups() { # NAME
  local tries
  for tries in $(seq 100); do
    find /sys/fs/cgroup/*/"$1" -depth -type d -exec rmdir {} \; 2> /dev/null
    compgen -G "/sys/fs/cgroup/*/$1" > /dev/null || return 0
    # The kernel frees a group a moment after its last process.
    sleep 0.05
  done
  echo "supervise: cgroup $1 is still in use" >&2
}

supervisor_lives() { # PID
  tr '\0' ' ' 2> /dev/null < "/proc/$1/cmdline" | grep -q supervise.sh
}

remove_stale() {
  local path pid
  for path in /sys/fs/cgroup/*/archmatch-e2e-*/; do
    [ -d "$path" ] || continue
    pid=${path%/}; pid=${pid##*-}
    supervisor_lives "$pid" || remove_groups "archmatch-e2e-$pid"
  done
  for path in "$target"/e2e-run/*/; do
    [ -d "$path" ] || continue
    pid=$(basename "$path")
    supervisor_lives "$pid" || rm -rf --one-file-system "$path"
  done
}

stop() {
  trap - EXIT
  # Process 1 first: its parent then sees the last process of the namespace
  # end, so waiting for the parent waits for all of them.
  [ -n "$init" ] && kill -KILL "$init" 2> /dev/null || { [ -n "$cluster" ] && kill -KILL "$cluster" 2> /dev/null; }
  [ -n "$cluster" ] && wait "$cluster" 2> /dev/null
  remove_groups "$group"
  # The logs of the last run stay for whoever asks why it failed.
  rm -rf "$target/e2e-log"
  mv "$run/log" "$target/e2e-log" 2> /dev/null
  rm -rf --one-file-system "$run"
  rmdir "$target/e2e-run" 2> /dev/null
}

test_lives() { # waits up to SECONDS for the pipe to close
  local code
  read -r -t "$1" && return 0
  code=$?
  [ "$code" -gt 128 ]
}

remove_stale
mkdir -p "$run/log"
trap stop EXIT
trap 'exit 1' HUP INT TERM

setpriv --pdeathsig KILL "$here/namespaces.sh" "$run" "$tools" "$group" > "$run/log/cluster.log" 2>&1 &
cluster=$!

until [ -e "$run/ready" ]; do
  if ! kill -0 "$cluster" 2> /dev/null || [ "$SECONDS" -gt "$start_limit" ]; then
    echo "the cluster did not start; logs are in $target/e2e-log" >&2
    tail -n 20 "$run/log/cluster.log" >&2
    exit 1
  fi
  test_lives 0.05 || exit 1
done
# Only now: before unshare takes over, the script has other children.
read -r init _ < "/proc/$cluster/task/$cluster/children"
echo "$init" > "$run/init"
echo "$tools" > "$run/tools"
echo "ready $run"

while kill -0 "$cluster" 2> /dev/null && [ "$SECONDS" -lt "$limit" ]; do
  test_lives 2 || break
done
