# The service for production: its database is elsewhere (DATABASE_URL), its settings come from the environment.
#   docker build -t elevate-api .
#   docker run --env-file .env -p 8000:8000 elevate-api
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The builder's own tools stay out of the environment that is shipped.
COPY requirements-build.lock ./
RUN python -m venv /tools && /tools/bin/pip install --require-hashes -r requirements-build.lock
# In its own layer: made again only when the lock changes.
COPY requirements.lock ./
RUN python -m venv /opt/elevate && /opt/elevate/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md alembic.ini ./
COPY migrations migrations
COPY src src
RUN /tools/bin/python -m hatchling build --target wheel --directory /wheel \
 && /opt/elevate/bin/pip install --no-deps --no-index /wheel/*.whl \
 && /opt/elevate/bin/pip check

FROM python:${PYTHON}
# Backups and restores need pg_dump of the server's major version or later; trixie has 17.
# Debian keeps no old versions to pin.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/elevate --create-home --shell /usr/sbin/nologin elevate
COPY --from=build /opt/elevate /opt/elevate
ENV PATH=/opt/elevate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ELEVATE_DATA_DIR=/var/lib/elevate
USER 10001:10001
WORKDIR /var/lib/elevate
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["elevate", "serve", "--host", "0.0.0.0"]
