#!/usr/bin/env bash
# Builds the container image of this machine's platform without a Docker engine, from the
# same Dockerfile: what its stage `build` would make is made here, and stands in for it.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v buildah >/dev/null || scripts/packages.sh

host=$(rustc -vV | sed -n 's/^host: //p')
# PROFILE=dev builds faster, for work on the tests of the cluster.
profile=${PROFILE:-release}
RUSTFLAGS="-C target-feature=+crt-static" \
  cargo build --profile "$profile" --locked --bin archmatch --target "$host"

image=$PWD/target/image
stage=$image/build/out
rm -rf "$image/build"
mkdir -p "$stage/etc/ssl/certs"
cp "target/$host/${profile/dev/debug}/archmatch" "$stage/archmatch"
cp /etc/ssl/certs/ca-certificates.crt "$stage/etc/ssl/certs/"

# A store of its own, which goes when the image is written.
store=$(mktemp -d "$image/store.XXXXXX")
trap 'rm -rf "$store"' EXIT
run_buildah() {
  buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs "$@"
}
run_buildah build --quiet --isolation chroot --timestamp 0 \
  --build-context "build=$image/build" --tag archmatch . >/dev/null
archive=$image/archmatch.oci.tar
rm -f "$archive"
run_buildah push --quiet archmatch "oci-archive:$archive:archmatch"
echo "$archive: $(du -h "$archive" | cut -f1), binary $(du -h "$stage/archmatch" | cut -f1)" >&2
