# syntax=docker/dockerfile:1

# docker build -t goodays-salesforce .
# docker run -d --name goodays --env-file env -v goodays-state:/var/lib/goodays-salesforce -p 127.0.0.1:8080:8080 \
#   --read-only --cap-drop ALL --security-opt no-new-privileges --memory 512m goodays-salesforce
#
# `env` holds one NAME=value a line. For Prometheus on this machine add `-p 127.0.0.1:9464:9464`, and to `env` the lines
# CONNECTOR_ADMIN_LISTEN=0.0.0.0:9464 and CONNECTOR_ADMIN_TOKEN=..., which Prometheus sends as a bearer token.
#
# Your own files in place of the shipped ones: -v "$PWD/config:/etc/goodays-salesforce:ro" (connector.yaml, mappings/).

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The registry and the compiled crates stay in the builder's cache, so that a change of one file is a short build.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked --bin goodays-salesforce \
    && install -D target/dist/goodays-salesforce /out/goodays-salesforce
# The shipped configuration, with the state on the volume. A changed line must not pass unnoticed.
RUN install -d /out/etc && cp -r connector.yaml mappings /out/etc/ \
    && sed -i 's|^  path: ./state$|  path: /var/lib/goodays-salesforce|' /out/etc/connector.yaml \
    && grep -q '^  path: /var/lib/goodays-salesforce$' /out/etc/connector.yaml

FROM debian:bookworm-slim
# ca-certificates: the remotes are verified against the system's roots. tzdata: the mappings' date('Europe/Paris').
# Without versions: both shall be today's.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 goodays \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin goodays \
    && install -d -o goodays -g goodays -m 0700 /var/lib/goodays-salesforce
COPY --from=build /out/goodays-salesforce /usr/local/bin/goodays-salesforce
COPY --from=build /out/etc /etc/goodays-salesforce
COPY --chmod=0755 deploy/healthcheck /usr/local/bin/healthcheck
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /etc/goodays-salesforce
VOLUME /var/lib/goodays-salesforce
EXPOSE 8080 9464
# SIGTERM lets calls in flight end for up to 8 seconds; docker stop waits 10.
STOPSIGNAL SIGTERM
# Asks only whether a webhook can be stored now. `goodays-salesforce status` also tells what waits for a human and whether a
# remote is away, and neither is mended by a restart.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["goodays-salesforce"]
CMD ["run", "-c", "/etc/goodays-salesforce/connector.yaml"]
