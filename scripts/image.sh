#!/usr/bin/env bash
# Builds the container image of this machine's platform without a Docker engine, from the
# same Dockerfile: what its stage `build` would make is made here, and stands in for it.
set -euo pipefail
# Another user reads these files in the image, whatever the mask of the one who builds it.
umask 022
cd "$(dirname "$0")/.."

command -v buildah >/dev/null || scripts/packages.sh

host=$(rustc -vV | sed -n 's/^host: //p')
# PROFILE=dev builds faster, for work on the tests of the cluster.
profile=${PROFILE:-release}
# `archmatch version -o json` says it.
ARCHMATCH_COMMIT=$(git rev-parse HEAD 2>/dev/null || true)
export ARCHMATCH_COMMIT
RUSTFLAGS="-C target-feature=+crt-static" \
  cargo build --profile "$profile" --locked --bin archmatch --target "$host" --target-dir target

image=$PWD/target/image
stage=$image/build/out
rm -rf "$image/build"
install -D -m 755 "target/$host/${profile/dev/debug}/archmatch" "$stage/archmatch"
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$stage/etc/ssl/certs/ca-certificates.crt"

# A store of its own, which goes when the image is written.
store=$(mktemp -d "$image/store.XXXXXX")
trap 'rm -rf "$store"' EXIT
mkdir "$store/tmp"
export TMPDIR=$store/tmp
run_buildah() {
  buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs "$@"
}
run_buildah build --quiet --isolation chroot --timestamp 0 \
  --build-context "build=$image/build" --tag archmatch . >/dev/null
archive=$image/archmatch.oci.tar
rm -f "$archive"
run_buildah push --quiet archmatch "oci-archive:$archive:archmatch"
echo "$archive: $(du -h "$archive" | cut -f1), binary $(du -h "$stage/archmatch" | cut -f1)" >&2
