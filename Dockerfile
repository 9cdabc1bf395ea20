# One image per service: docker build --build-arg APP=services.clinic.diagnosis.app:app --tag diagnosis .
ARG PYTHON=docker.io/library/python:3.14-slim-trixie@sha256:51dafde81dbdb6ebde285137a295cf18a47ca95234fe388a343719cb97305b3d

# All packages are wheels: nothing is compiled, here or later.
FROM ${PYTHON} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all:
RUN python -m venv /app/.venv
COPY requirements/service.lock /tmp/service.lock
RUN /app/.venv/bin/pip install --require-hashes --requirement /tmp/service.lock \
    && /app/.venv/bin/pip uninstall --yes pip

FROM ${PYTHON}
ARG APP
ARG COMMIT=unknown
LABEL org.opencontainers.image.title=${APP} org.opencontainers.image.revision=${COMMIT}
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app app \
    && pip uninstall --yes pip
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY clinic_lib clinic_lib
COPY services services
ENV PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    APP=${APP} COMMIT=${COMMIT} HOST=0.0.0.0 ADMIN_HOST=0.0.0.0
RUN test -n "${APP}" && python -m compileall -q clinic_lib services
USER 10001:10001
EXPOSE 8080 9080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9080/health/live', timeout=2)"]
CMD ["sh", "-c", "exec python -m clinic_lib.server \"$APP\""]
