#!/usr/bin/env bash
# Installs the Debian packages that `make test` needs and that are missing, and says which.
set -euo pipefail

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0

# command or file -> package
declare -A needed=(
  [buildah]=buildah
  [chromium]=chromium
  [curl]=curl
  [gcc]=gcc
  [ip]=iproute2
  [nft]=nftables
  [openssl]=openssl
  [patch]=patch
  [pkg-config]=pkg-config
  [unshare]=util-linux
  [xmllint]=libxml2-utils
  [/usr/include/seccomp.h]=libseccomp-dev
  [/etc/ssl/certs/ca-certificates.crt]=ca-certificates
)
missing=()
for what in "${!needed[@]}"; do
  command -v "$what" >/dev/null || [ -e "$what" ] || missing+=("${needed[$what]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing Debian packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
