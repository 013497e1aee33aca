# The image of the prediction service: neither Airflow nor what only training needs.
#   docker build -f docker/serving.Dockerfile --build-arg REVISION="$(git rev-parse HEAD)" -t airloop-serving:0.2.0 .

# Its tag never moves; docker/README.md says how to pin its digest besides.
ARG BASE=debian:12.15-slim

FROM ${BASE} AS python
# OpenMP is for scikit-learn; tini passes signals on to the service and collects its workers.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libgomp1 python3.11 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 airloop \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /state --shell /usr/sbin/nologin airloop \
 && install --directory --owner 10001 --group 10001 --mode 700 /state


# The libraries are laid out here, by the lock and its hashes, from wheels alone: no package's own code runs.
FROM python AS libraries
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3.11-venv \
 && rm -rf /var/lib/apt/lists/*
COPY docker/locks/build.lock /locks/
# The secrets `pip`, `uv` and `ca` are optional: configuration of a registry of one's own.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3.11 -m venv /builder \
 && /builder/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /locks/build.lock \
 && python3.11 -m venv --without-pip /opt/venv
COPY docker/locks/serving.lock /locks/
RUN --mount=type=secret,id=uv,target=/etc/uv/uv.toml --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,id=airloop-uv,target=/var/cache/uv \
    /builder/bin/uv --cache-dir /var/cache/uv --system-certs pip install --python /opt/venv/bin/python --require-hashes --no-deps --no-build \
        --link-mode copy --compile-bytecode --requirement /locks/serving.lock


# Airloop itself: its wheel, built here by tools of build.lock, and nothing fetched.
FROM libraries AS wheel
COPY pyproject.toml README.md LICENSE /source/
COPY config /source/config
COPY dags /source/dags
COPY include /source/include
COPY operators /source/operators
RUN /builder/bin/uv build --wheel --offline --no-build-isolation --python /builder/bin/python --out-dir /dist /source


FROM libraries AS installed
COPY --from=wheel /dist /dist
RUN /builder/bin/uv pip install --python /opt/venv/bin/python --no-deps --offline --compile-bytecode /dist/*.whl


FROM python AS serving
ARG VERSION=0.2.0
# The commit of the code: there is no repository in the image that could be asked.
ARG REVISION=unknown
ENV AIRLOOP_HOME=/state \
    AIRLOOP_PROJECT=/opt/airloop/project \
    AIRLOOP_REVISION=${REVISION} \
    BENTOML_HOME=/state/bentoml \
    BENTOML_DO_NOT_TRACK=True \
    DO_NOT_TRACK=true \
    HOME=/state \
    MLFLOW_DISABLE_TELEMETRY=true \
    OMP_WAIT_POLICY=PASSIVE \
    PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    OTEL_SDK_DISABLED=true \
    PYTHONUNBUFFERED=1
WORKDIR /opt/airloop/project
# The example project. One of your own is copied over another image: `airloop new` makes its Dockerfile.
COPY requirements.lock ./
COPY config config
COPY include/flights include/flights
COPY --from=installed /opt/venv /opt/venv
LABEL org.opencontainers.image.title="airloop-serving" \
      org.opencontainers.image.description="Airloop's prediction service, port 3000" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Whether the process answers. Whether it has a model to answer with is /readyz: an orchestrator asks that.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/healthz', timeout=4)"]
# Predictions are logged here before they are answered, until they are in the lake.
VOLUME /state
EXPOSE 3000
USER 10001:10001
ENTRYPOINT ["tini", "--", "python", "-m", "bentoml", "serve", "airloop.serving.service:Predictions", \
    "--host", "0.0.0.0", "--port", "3000", "--working-dir", "/opt/airloop/project", "--timeout-graceful-shutdown", "20"]
