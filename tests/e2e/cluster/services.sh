# Sourced: how each process of the cluster is started, and how it is stopped.
# up.sh starts them all; ctl.sh restarts single ones for the tests.

launch() { # NAME COMMAND...: in the background, with a log and a file with the pid
  local name=$1
  shift
  "$@" >> "log/$name.log" 2>&1 < /dev/null &
  echo $! > "$name.pid"
}

alive() { kill -0 "$(cat "$1.pid")" 2> /dev/null; }

# Waits for a command to succeed, for as long as the process it asks lives.
await() { # NAME COMMAND...
  local name=$1
  shift
  until "$@" > /dev/null 2>&1; do
    alive "$name" || { echo "$name ended:"; tail -n 10 "log/$name.log"; return 1; }
    sleep 0.1
  done
}

# SIGKILL: a crash is the harder case for whoever talks to it. Process 1 reaps;
# until then single threads may still hold the port.
stop_service() { # NAME
  local pid
  pid=$(cat "$1.pid")
  kill -KILL "$pid" 2> /dev/null || true
  while [ -d "/proc/$pid" ]; do sleep 0.02; done
}

# Bash opens the connection itself.
listens() { (exec 3<> "/dev/tcp/10.99.0.1/$1"); }

start_registry() {
  launch registry crane registry serve --address 10.99.0.1:5000 --disk "$RUN/registry"
  await registry listens 5000
  # It keeps manifests in memory, only layers on disk. Pushed again they have
  # the same digests.
  images 10.99.0.1:5000 >> log/images.log
}

launch_registry() { # NAME KIND PORT [UPSTREAM]
  launch "$1" registry "$2" "10.99.0.1:$3" "${@:4}"
  await "$1" listens "$3"
}

# Two that want to know who asks. They keep nothing, so they get their images
# each time they start.
start_htpasswd() {
  launch_registry htpasswd htpasswd 5001
  images 10.99.0.1:5001 publisher print >> log/images.log
}

start_token() {
  launch_registry token token 5002
  images 10.99.0.1:5002 publisher print >> log/images.log
}

# A mirror, and the registry that it stands in for; both have what the first one has.
start_mirror() { launch_registry mirror mirror 5003 10.99.0.1:5000; }
start_origin() { launch_registry origin relay 5004 10.99.0.1:5000; }

# One that accepts and does not answer while a test wants it so.
start_silent() { launch_registry silent relay 5005 10.99.0.1:5000; }

start_etcd() {
  launch etcd etcd --name e2e --data-dir etcd --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster e2e=http://127.0.0.1:2380
}

start_apiserver() {
  launch apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 \
    --bind-address 0.0.0.0 --advertise-address 10.99.0.1 --secure-port 6443 \
    --tls-cert-file pki/apiserver.crt --tls-private-key-file pki/apiserver.key --client-ca-file pki/ca.crt \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file pki/sa.pub --service-account-signing-key-file pki/sa.key \
    --authorization-mode Node,RBAC --service-cluster-ip-range 10.96.0.0/24 \
    --enable-admission-plugins NodeRestriction,PodNodeSelector \
    --kubelet-client-certificate pki/kubelet-client.crt --kubelet-client-key pki/kubelet-client.key \
    --kubelet-preferred-address-types InternalIP \
    --audit-policy-file audit.yaml --audit-log-path log/audit.log
  await apiserver kubectl get --raw /readyz
}

launch_controller-manager() { # FLAG...
  launch controller-manager kube-controller-manager --kubeconfig pki/controller-manager.kubeconfig \
    --service-account-private-key-file pki/sa.key --root-ca-file pki/ca.crt --use-service-account-credentials \
    --leader-elect=false --secure-port 0 --flex-volume-plugin-dir "$RUN/volume-plugins" "$@"
}

# Without the raised limits the first service account takes five seconds more.
start_controller-manager() { launch_controller-manager --kube-api-qps 200 --kube-api-burst 400; }

# The same with the limits that clusters have. Stopped under the first name.
start_usual-controller-manager() { launch_controller-manager; }

start_scheduler() {
  # The limits are raised for the tests that have hundreds of pods placed.
  launch scheduler kube-scheduler --kubeconfig pki/scheduler.kubeconfig --leader-elect=false --secure-port 0 \
    --kube-api-qps 500 --kube-api-burst 1000
}

start_kwok() {
  # The annotation keeps it away from the real node.
  launch kwok kwok --kubeconfig pki/admin.kubeconfig --config "$TOOLS/kwok-stages.yaml" \
    --manage-all-nodes=false --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake \
    --node-lease-duration-seconds 40 --server-address 127.0.0.1:10247
}

start_containerd() {
  launch containerd containerd -c containerd.toml
  await containerd test -S /run/containerd/containerd.sock
}

start_kubelet() {
  launch kubelet kubelet --config kubelet.yaml --kubeconfig pki/kubelet.kubeconfig --root-dir "$RUN/kubelet" \
    --cert-dir "$RUN/kubelet-pki" --hostname-override real-amd64 --node-ip 10.99.0.1
}

start_proxy() {
  launch proxy kube-proxy --config proxy.yaml
}
