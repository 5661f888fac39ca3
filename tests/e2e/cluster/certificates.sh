#!/bin/bash
# certificates.sh: keys, certificates and kubeconfigs of one cluster, made in
# the current folder. One authority signs everything.
set -euo pipefail
folder=$PWD

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

certificate() { # NAME SUBJECT EXTENSIONS
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" \
    | openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile <(printf '%b' "$3") -out "$1.crt" 2> /dev/null
}

kubeconfig() { # NAME
  cat > "$1.kubeconfig" << END
apiVersion: v1
kind: Config
current-context: e2e
clusters: [{name: e2e, cluster: {server: 'https://10.99.0.1:6443', certificate-authority: $folder/ca.crt}}]
users: [{name: e2e, user: {client-certificate: $folder/$1.crt, client-key: $folder/$1.key}}]
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
END
}

key ca
openssl req -x509 -new -key ca.key -days 2 -subj /CN=e2e-ca -addext keyUsage=critical,keyCertSign,cRLSign -out ca.crt 2> /dev/null
certificate apiserver /CN=kube-apiserver \
  'extendedKeyUsage=serverAuth\nsubjectAltName=IP:10.99.0.1,IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc'
certificate kubelet-client /O=system:masters/CN=apiserver-kubelet-client extendedKeyUsage=clientAuth
# The API server takes no elliptic key for service accounts by default.
openssl genrsa -out sa.key 2048 2> /dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2> /dev/null

while read -r name subject; do
  certificate "$name" "$subject" extendedKeyUsage=clientAuth
  kubeconfig "$name"
done << END
admin /O=system:masters/CN=admin
controller-manager /CN=system:kube-controller-manager
scheduler /CN=system:kube-scheduler
proxy /CN=system:kube-proxy
kubelet /O=system:nodes/CN=system:node:real-amd64
END
