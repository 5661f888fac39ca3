# One static binary, a CA bundle, nothing else.
#
# `scripts/image.sh` builds the last stage where no Docker engine runs: a folder then stands
# in for the stage `build`, so both ways end in the same image.

FROM rust:1.95-trixie AS build
WORKDIR /source
COPY . .
# glibc, statically: musl has no s390x build of the standard library. Names are resolved by
# hickory, since a static glibc has no NSS.
ARG ARCHMATCH_COMMIT
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --bin archmatch --target "$target" \
 && install -D -m 755 "target/$target/release/archmatch" /out/archmatch \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt

FROM scratch
LABEL org.opencontainers.image.title="archmatch" \
      org.opencontainers.image.description="Rejects or warns on workloads whose images lack a manifest for the nodes they may run on" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 10250 9090
ENTRYPOINT ["/archmatch"]
