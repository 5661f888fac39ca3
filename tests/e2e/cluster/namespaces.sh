#!/bin/bash
# namespaces.sh RUN TOOLS GROUP: up.sh as process 1 of network, mount, process,
# IPC, host name and cgroup namespaces of its own.
#
# With a network of its own the cluster uses fixed ports, collides with nothing
# and has no route out. In the machine's own network a Service address without
# kube-proxy would leave by the default route.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export SOURCE=$1 TOOLS=$2 UP=$here/up.sh
group=$3

for controller in /sys/fs/cgroup/*/; do
  [ -f "$controller/cgroup.procs" ] || continue
  mkdir -p "$controller/$group"
  # A new cpuset is empty and takes no process until it is told what it may use.
  for setting in cpuset.cpus cpuset.mems; do
    [ -f "$controller/$group/$setting" ] && cat "$controller/$setting" > "$controller/$group/$setting"
  done
  echo $$ > "$controller/$group/cgroup.procs"
done

inside() {
  set -euo pipefail
  local folder line name setting file
  for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs $folder; done
  # A short path whatever the checkout's is: the kubelet's sockets must fit into 108 bytes.
  export RUN=/var/lib/e2e
  mkdir $RUN
  mount --bind "$SOURCE" $RUN

  mount -t sysfs sysfs /sys
  mount -t tmpfs tmpfs /sys/fs/cgroup
  while IFS= read -r line; do
    name=${line#name=}
    mkdir -p "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$line" cgroup "/sys/fs/cgroup/$name"
  done < <(cut -d : -f 2 /proc/self/cgroup | grep .)

  # The kubelet would set these for the whole machine. It gets private files
  # that already hold its values.
  mkdir /run/sysctl
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl/$(tr / . <<< "${setting%=*}")
    echo "${setting#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done

  hostname real-amd64
  ip link set lo up
  # A bridge without ports: not every kernel has the dummy device.
  ip link add e2e0 type bridge
  ip address add 10.99.0.1/24 dev e2e0
  ip link set e2e0 up
  # Service addresses need some route, else connect fails before nftables sees them.
  ip route add 10.96.0.0/24 dev e2e0
  echo 1 > /proc/sys/net/ipv4/ip_forward
  exec "$UP"
}
export -f inside

exec unshare --net --mount --pid --ipc --uts --cgroup --fork --kill-child=KILL --mount-proc bash -c inside
