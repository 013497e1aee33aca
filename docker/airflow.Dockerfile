# The image of every Airflow process: API server, scheduler, DAG processor, triggerer, workers. It runs under the official
# Helm chart as it is: user 50000, group 0, AIRFLOW_HOME /opt/airflow, /entrypoint.
#   docker build -f docker/airflow.Dockerfile --build-arg REVISION="$(git rev-parse HEAD)" -t airloop-airflow:0.2.0 .

# Its tag never moves; docker/README.md says how to pin its digest besides.
ARG BASE=debian:12.15-slim

FROM ${BASE} AS python
# git is for DAG bundles; OpenMP for scikit-learn in steps that run on the worker; tini passes signals on.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git libgomp1 python3.11 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && useradd --uid 50000 --gid 0 --no-create-home --home-dir /opt/airflow --shell /usr/sbin/nologin airflow \
 && install --directory --owner 50000 --group 0 --mode 770 /opt/airflow /opt/airflow/logs /state


# The libraries are laid out here, by the lock and its hashes, from wheels: no package's own code runs.
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
COPY docker/locks/airflow.lock docker/locks/demo.lock /locks/
RUN --mount=type=secret,id=uv,target=/etc/uv/uv.toml --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,id=airloop-uv,target=/var/cache/uv \
    /builder/bin/uv --cache-dir /var/cache/uv --system-certs pip install --python /opt/venv/bin/python --require-hashes --no-deps --no-build \
        --link-mode copy --compile-bytecode --requirement /locks/airflow.lock
# The demo's flights come as source alone; what builds them is pinned and checked too.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /builder/bin/pip wheel --no-cache-dir --require-hashes --no-deps --no-build-isolation --wheel-dir /wheels \
        --requirement /locks/demo.lock \
 && /builder/bin/uv pip install --python /opt/venv/bin/python --no-deps --offline --compile-bytecode /wheels/*.whl


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


FROM python AS airflow
ARG VERSION=0.2.0
# The commit of the code: there is no repository in the image that could be asked.
ARG REVISION=unknown
ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__API__EXPOSE_CONFIG=False \
    AIRFLOW__CORE__AUTH_MANAGER=airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager \
    AIRFLOW__CORE__LAZY_LOAD_PLUGINS=False \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/airloop/project/dags \
    AIRLOOP_HOME=/state \
    AIRLOOP_PROJECT=/opt/airloop/project \
    AIRLOOP_REVISION=${REVISION} \
    BENTOML_DO_NOT_TRACK=True \
    DO_NOT_TRACK=true \
    GX_ANALYTICS_ENABLED=False \
    HOME=/opt/airflow \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLBACKEND=Agg \
    OMP_WAIT_POLICY=PASSIVE \
    PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SCARF_ANALYTICS=false
WORKDIR /opt/airloop/project
COPY docker/airflow/entrypoint /entrypoint
COPY docker/airflow/prepare /usr/local/bin/
# The example project. One of your own is copied over another image: `airloop new` makes its Dockerfile.
COPY requirements.lock ./
COPY config config
COPY include/flights include/flights
COPY dags/loop.py dags/loop.py
COPY --from=installed /opt/venv /opt/venv
LABEL org.opencontainers.image.title="airloop-airflow" \
      org.opencontainers.image.description="Apache Airflow with Airloop's DAGs, operators and steps" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Each process has another sign of life: compose.yaml and the chart know which.
HEALTHCHECK NONE
VOLUME ["/opt/airflow/logs", "/state"]
EXPOSE 8080
USER 50000:0
ENTRYPOINT ["tini", "--", "/entrypoint"]
CMD ["airflow", "version"]
