# The image in which steps run as pods, and which MLflow's server shares: Airloop's domain without Airflow.
#   docker build -f docker/step.Dockerfile --target step --build-arg REVISION="$(git rev-parse HEAD)" -t airloop-step:0.2.0 .
#   docker build -f docker/step.Dockerfile --target gpu  --build-arg REVISION="$(git rev-parse HEAD)" -t airloop-step:0.2.0-gpu .

# Its tag never moves; docker/README.md says how to pin its digest besides.
ARG BASE=debian:12.15-slim

FROM ${BASE} AS python
# OpenMP is for scikit-learn and torch; tini passes signals on to a step and collects its children.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libgomp1 python3.11 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 airloop \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /scratch --shell /usr/sbin/nologin airloop \
 && install --directory --owner 10001 --group 10001 --mode 700 /scratch


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
COPY docker/locks/step.lock /locks/
RUN --mount=type=secret,id=uv,target=/etc/uv/uv.toml --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,id=airloop-uv,target=/var/cache/uv \
    /builder/bin/uv --cache-dir /var/cache/uv --system-certs pip install --python /opt/venv/bin/python --require-hashes --no-deps --no-build \
        --link-mode copy --compile-bytecode --requirement /locks/step.lock


FROM libraries AS libraries-gpu
COPY docker/locks/torch.lock /locks/
RUN --mount=type=secret,id=uv,target=/etc/uv/uv.toml --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,id=airloop-uv,target=/var/cache/uv \
    /builder/bin/uv --cache-dir /var/cache/uv --system-certs pip install --python /opt/venv/bin/python --require-hashes --no-deps --no-build \
        --link-mode copy --compile-bytecode --requirement /locks/torch.lock


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


FROM libraries-gpu AS installed-gpu
COPY --from=wheel /dist /dist
RUN /builder/bin/uv pip install --python /opt/venv/bin/python --no-deps --offline --compile-bytecode /dist/*.whl


# What both variants are but for their libraries.
FROM python AS code
ARG VERSION=0.2.0
# The commit of the code: there is no repository in the image that could be asked.
ARG REVISION=unknown
ENV AIRLOOP_HOME=/scratch \
    AIRLOOP_PROJECT=/opt/airloop/project \
    AIRLOOP_REVISION=${REVISION} \
    BENTOML_DO_NOT_TRACK=True \
    DO_NOT_TRACK=true \
    GX_ANALYTICS_ENABLED=False \
    HOME=/scratch \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLBACKEND=Agg \
    OMP_WAIT_POLICY=PASSIVE \
    PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/airloop/project
# The example project. One of your own is copied over another image: `airloop new` makes its Dockerfile.
COPY requirements.lock ./
COPY config config
COPY include/flights include/flights
LABEL org.opencontainers.image.title="airloop-step" \
      org.opencontainers.image.description="One step of Airloop: python -m airloop.steps" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A step ends by itself, and its exit code says how.
HEALTHCHECK NONE
VOLUME /scratch
USER 10001:10001
ENTRYPOINT ["tini", "--", "python", "-m", "airloop.steps"]


FROM code AS gpu
# For NVIDIA's container runtime: the driver comes from the node.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=installed-gpu /opt/venv /opt/venv


FROM code AS step
COPY --from=installed /opt/venv /opt/venv
