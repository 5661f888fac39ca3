#!/bin/bash
# exec.sh RUN COMMAND...: COMMAND inside the cluster's namespaces, with its
# tools in the path. The files of the checkout are the same as outside; /run,
# /var/lib and /var/log are not.
set -euo pipefail
run=$1
shift
tools=$(cat "$run/tools")
# A killed caller takes its command along: nsenter itself would leave it behind.
exec nsenter --target "$(cat "$run/init")" --net --mount --pid --ipc --uts --cgroup --wd="$PWD" \
  env RUN=/var/lib/e2e TOOLS="$tools" HOME=/var/lib/e2e KUBECONFIG=/var/lib/e2e/pki/admin.kubeconfig PATH="$tools:$PATH" \
  setpriv --pdeathsig KILL "$@"
