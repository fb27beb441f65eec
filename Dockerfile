# syntax=docker/dockerfile:1
# For amd64 and arm64, each built on its own kind of machine or by emulation:
#   docker build --build-arg VERSION=0.1.0 --tag ironhull:0.1.0 .

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN make release-static

# Nothing but the binary: no shell, no libc, no user but the one whose number is below. It runs with
# a read-only root; e2e/image builds this stage alone, from a binary built outside.
FROM scratch AS program
ARG VERSION=unreleased
LABEL org.opencontainers.image.title="ironhull" \
      org.opencontainers.image.description="A mutating admission webhook that hardens every pod at the door of a Kubernetes cluster" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build --chmod=0555 /build/target/static/ironhull /ironhull
# A number, which the kubelet can tell from root; a name it could not.
USER 65532:65532
# What was needed once is given back, and not kept by each thread for itself: docs/abuse.md.
ENV MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_MMAP_THRESHOLD_=131072
ENTRYPOINT ["/ironhull"]

# The function that kustomize and kpt run: they give an image no arguments.
#   docker build --target krm --tag ironhull-krm:0.1.0 .
FROM program AS krm
CMD ["krm"]

FROM program AS runtime
