# Builds aegis and runs it on paper. The image carries the Swift runtime, not the compiler.
FROM swift:6.3-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make gcc binutils libcurl4-openssl-dev libpq-dev \
    libhiredis-dev libffi-dev libsqlite3-dev zlib1g-dev pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make build

FROM swift:6.3-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libcurl4 libpq5 libhiredis0.14 libffi8 libsqlite3-0 \
    zlib1g ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 aegis
USER aegis
WORKDIR /home/aegis
COPY --from=build /src/build /opt/aegis
ENTRYPOINT ["/opt/aegis/aegis"]
CMD ["run"]
