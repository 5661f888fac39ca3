#!/bin/bash
# Builds what the end-to-end tests run on and prints the folder it lies in.
# Progress goes to standard error. The folder is named after everything that
# goes into it, so an unchanged second call only looks it up.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
store=$(cd "$here/../../.." && pwd)/target/e2e-tools
cd "$here"

say() { echo "e2e tools: $*" >&2; }

command -v go > /dev/null || { say "go is not installed; it is needed to build the cluster"; exit 1; }
key=$({ go version; cat go.mod go.sum build.sh cmd/*/*.go; } | sha256sum | cut -c 1-16)
folder=$store/$key
if [ -d "$folder" ]; then
  echo "$folder"
  exit
fi

# Two calls at once would only be in each other's way: the second waits, and
# then finds the folder.
mkdir -p "$store"
exec 9> "$store/lock"
flock 9
if [ -d "$folder" ]; then
  echo "$folder"
  exit
fi

# libseccomp: runc without it starts no pod. nftables: for kube-proxy.
missing=()
for package in curl gcc iproute2 libseccomp-dev nftables openssl pkg-config util-linux; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) || true
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing Debian packages: ${missing[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"; } >&2
fi

work=$(mktemp -d "$store/.build-XXXXXX")
trap 'rm -rf "$work"' EXIT

version() { go list -m -f '{{.Version}}' "$1"; }
kubernetes=$(version k8s.io/kubernetes)
component=k8s.io/component-base/version
IFS=. read -r major minor _ <<< "${kubernetes#v}"
# Without these a binary calls itself v0.0.0-master, which clients then compare.
stamp="-X $component.gitVersion=$kubernetes -X $component.gitMajor=$major -X $component.gitMinor=$minor -X $component.gitTreeState=clean"
tags="no_btrfs no_devmapper no_zfs no_aufs no_tracing"
started=$SECONDS

say "building with $(go version | cut -d ' ' -f 3), 6 to 9 minutes the first time"
# One command for nearly all: linking one binary then overlaps compiling others.
CGO_ENABLED=0 go build -trimpath -tags "$tags" -ldflags "-s -w $stamp" -o "$work/" \
  go.etcd.io/etcd/server/v3 \
  k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl,kubelet,kube-proxy} \
  github.com/containerd/containerd/v2/cmd/{containerd,containerd-shim-runc-v2} \
  github.com/containernetworking/plugins/plugins/{main/bridge,main/loopback,ipam/host-local} \
  sigs.k8s.io/kwok/cmd/kwok github.com/google/go-containerregistry/cmd/crane \
  helm.sh/helm/v4/cmd/helm ./cmd/{images,registry} >&2
mv "$work/server" "$work/etcd"
# A command of its own: both Helms are called helm.
CGO_ENABLED=0 go build -trimpath -tags "$tags" -ldflags "-s -w" -o "$work/helm3" helm.sh/helm/v3/cmd/helm >&2
CGO_ENABLED=1 go build -trimpath -tags seccomp -ldflags "-s -w" -o "$work/runc" github.com/opencontainers/runc >&2
for architecture in 386 amd64 arm64; do
  CGO_ENABLED=0 GOARCH=$architecture go build -trimpath -ldflags "-s -w" -o "$work/pause.$architecture" ./cmd/pause >&2
done

# kwok does not start without stages, and ships them as files of its module.
stages=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
for stage in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease \
  pod/fast/pod-ready pod/fast/pod-complete pod/fast/pod-delete; do
  echo "---"
  cat "$stages/$stage.yaml"
done > "$work/kwok-stages.yaml"

# Definitions of report objects: files of modules of which nothing else is needed.
definition() { # MODULE@VERSION CHECKSUM FILE
  local found
  found=$(go mod download -json "$1")
  grep -qF "\"Sum\": \"$2\"" <<< "$found" || { say "$1 is not what it was: $2 expected"; exit 1; }
  cat "$(sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p' <<< "$found")/$3"
}
definition github.com/openreports/reports-api@v0.2.1 \
  h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680= \
  config/crd/openreports.io_reports.yaml > "$work/openreports.yaml"
definition sigs.k8s.io/wg-policy-prototypes@v0.0.0-20230505033312-51c21979086a \
  h1:tbASfGvbUgbwsJuh9T0+IZ0hhUNOkryo9Vquv1vjw+o= \
  policy-report/crd/v1alpha2/wgpolicyk8s.io_policyreports.yaml > "$work/policyreport.yaml"

# Older folders are a gigabyte each and nobody asks for them again.
for old in "$store"/*/; do
  [ -e "$old" ] && rm -rf "$old"
done
chmod 755 "$work"
mv "$work" "$folder"
trap - EXIT
say "built in $((SECONDS - started)) s"
echo "$folder"
