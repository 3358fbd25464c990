# One image with three commands: the read-only web server (the default), and, as compose.yaml calls
# them, the daemon and the code server. It writes to /state and /tmp alone, so its root can be
# mounted read-only. How to build and run it: README.md, "Container".

# The full image has git, which says which commit this is; nothing of it but the wheel is kept.
FROM python:3.11.15-bookworm AS wheel
ENV PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /source
COPY . .
RUN pip install --constraint requirements-dev.lock setuptools \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM python:3.11.15-slim-bookworm AS packages
# For example `--index-url URL` of torch's CPU builds; without it Linux gets the large CUDA build.
ARG PIP_TORCH_ARGS=""
ENV PIP_NO_CACHE_DIR=1 \
    PIP_PYTHON=/opt/mldebt/bin/python \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /packages
# The arguments are several words, and none of them a package.
# hadolint ignore=DL3013,SC2086
RUN python -m venv --without-pip /opt/mldebt \
    && pip install ${PIP_TORCH_ARGS} torch==2.13.0
COPY requirements.lock requirements-dev.lock ./
# And setuptools, which torch brings, and which the lock of what is run does not name.
RUN pip install --no-deps --requirement requirements.lock --constraint requirements-dev.lock setuptools
COPY --from=wheel /wheel /packages
RUN pip install --no-deps ./*.whl

FROM python:3.11.15-slim-bookworm
RUN groupadd --gid 10001 mldebt \
    && useradd --uid 10001 --gid mldebt --home-dir /tmp --no-create-home --shell /usr/sbin/nologin mldebt \
    && install --directory --owner=mldebt --group=mldebt /state
COPY --from=packages /opt/mldebt /opt/mldebt
COPY container/workspace.yaml /etc/mldebt/workspace.yaml
ENV PATH=/opt/mldebt/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MLDEBT_HOME=/state/home \
    DAGSTER_HOME=/state/home/dagster \
    DVC_SITE_CACHE_DIR=/tmp/dvc \
    GIT_PYTHON_REFRESH=quiet \
    DAGSTER_DISABLE_TELEMETRY=yes \
    DO_NOT_TRACK=true \
    DVC_NO_ANALYTICS=1 \
    GX_ANALYTICS_ENABLED=false \
    MLFLOW_DISABLE_TELEMETRY=true
# Landing folders are looked for in the current directory: /state/data/landing/PIPELINE.
WORKDIR /state
VOLUME /state
USER 10001:10001
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:3000/server_info', timeout=5)"]
CMD ["dagster-webserver", "--read-only", "--host", "0.0.0.0", "--port", "3000", "--workspace", "/etc/mldebt/workspace.yaml"]
