#!/bin/bash
# up.sh: process 1 inside the namespaces. Starts the cluster in RUN, marks it
# ready and then only reaps. TOOLS holds the programs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$RUN"
export PATH=$TOOLS:$PATH HOME=$RUN KUBECONFIG=$RUN/pki/admin.kubeconfig
. "$here/services.sh"

mkdir -p log pki registry cni/bin cni/net.d volume-plugins
(cd pki && "$here/certificates.sh")
cp "$TOOLS"/{bridge,host-local,loopback} cni/bin/

# Kubernetes reads these as JSON if they start with a brace.
cat > audit.yaml << END
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, verbs: [create, update, patch, delete]}, {level: None}]
END
# How the node reaches the registries of services.sh. The product's settings of
# product.rs say the same.
registry_host() { # HOST LINE...
  mkdir -p "certs.d/$1"
  printf '%s\n' "${@:2}" > "certs.d/$1/hosts.toml"
}
mirror='[host."http://10.99.0.1:5003"]'
for port in 5000 5001 5002 5005; do registry_host "10.99.0.1:$port" "server = \"http://10.99.0.1:$port\""; done
registry_host 10.99.0.1:5004 'server = "http://10.99.0.1:5004"' "$mirror"
# There is no such host: whatever is pulled from it comes from the mirror.
registry_host elsewhere.example "$mirror"
cat > cni/net.d/10-e2e.conflist << END
{"cniVersion": "1.0.0", "name": "e2e", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
 "ipMasq": false, "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
 "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
# restrict_oom_score_adj: lowering it takes a capability that root in a container often lacks.
cat > containerd.toml << END
version = 3
root = "$RUN/containerd"
state = "/run/containerd"
grpc.address = "/run/containerd/containerd.sock"
[plugins]
"io.containerd.internal.v1.opt".path = "$RUN/opt"
"io.containerd.cri.v1.images" = {pinned_images = {sandbox = "10.99.0.1:5000/pause:1"}, registry = {config_path = "$RUN/certs.d"}}
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
cni = {bin_dirs = ["$RUN/cni/bin"], conf_dir = "$RUN/cni/net.d"}
containerd.runtimes.runc = {runtime_type = "io.containerd.runc.v2", options = {BinaryName = "$TOOLS/runc"}}
END
# The machine's disk is not ours to judge: no eviction because of it.
cat > kubelet.yaml << END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
oomScoreAdj: 0
resolvConf: ''
healthzPort: 0
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
podLogsDir: $RUN/pod-logs
volumePluginDir: $RUN/volume-plugins
registryPullQPS: 0
serializeImagePulls: false
imageGCHighThresholdPercent: 100
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
evictionHard: {memory.available: 10Mi, nodefs.available: '0%', nodefs.inodesFree: '0%', imagefs.available: '0%'}
END
# Zeros: the conntrack limits are the machine's, not ours.
cat > proxy.yaml << END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
bindAddress: 10.99.0.1
healthzBindAddress: ''
hostnameOverride: real-amd64
clusterCIDR: 10.244.0.0/24
clientConnection: {kubeconfig: $RUN/pki/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END

start_etcd
start_registry
start_htpasswd
start_token
start_mirror
start_origin
start_silent
start_containerd
start_apiserver
start_controller-manager
start_scheduler
start_kubelet
start_proxy
start_kwok
# No pod is admitted before its namespace has this.
await controller-manager kubectl --namespace default get serviceaccount default
await kubelet kubectl wait --for=condition=Ready node/real-amd64 --timeout=60s
touch ready

# Bash reaps orphans while it waits.
while :; do
  sleep infinity &
  wait $!
done
