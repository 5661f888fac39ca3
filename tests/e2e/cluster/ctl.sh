#!/bin/bash
# ctl.sh start|stop|restart SERVICE: run inside, by exec.sh. Breaks and mends
# single parts of the cluster (services.sh has their names).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
action=$1 service=$2
cd "$RUN"
. "$here/services.sh"
declare -F "start_$service" > /dev/null || { echo "no such service: $service" >&2; exit 2; }

case $action in
  start) "start_$service" ;;
  stop) stop_service "$service" ;;
  restart)
    stop_service "$service"
    "start_$service"
    ;;
  *)
    echo "usage: ctl.sh start|stop|restart SERVICE" >&2
    exit 2
    ;;
esac
