# One image for the API, the worker and the migration: `docker run IMAGE api|worker|migrate|doctor ...`.
#   docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD) --tag perdure .

FROM node:22-slim AS console
WORKDIR /app/web
COPY web/package.json web/package-lock.json web/.npmrc ./
COPY web/client/package.json client/
COPY web/console/package.json console/
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM python:3.13-slim AS build
WORKDIR /app
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY requirements.lock requirements-dev.lock ./
# uv itself comes from the lock too, version and hashes.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements-dev.lock > /tmp/uv.lock \
    && pip install --no-cache-dir --root-user-action=ignore --require-hashes --requirement /tmp/uv.lock
# Wheels only: nothing is compiled, so a missing wheel is an error here instead of a compiler there.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv --python /usr/local/bin/python .venv \
    && uv pip sync --require-hashes --no-build requirements.lock
COPY . .
RUN uv pip install --no-deps --no-build-isolation --editable . \
    && uv pip uninstall setuptools

FROM python:3.13-slim
# The embedded model's runtime uses OpenMP.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /data perdure \
    && install --directory --owner=perdure --group=perdure --mode=0700 /data
# The code belongs to root: the process that runs it cannot change it.
COPY --from=build /app /app
COPY --from=console /app/web/console/dist /app/web/console/dist
WORKDIR /app
# Runs are pinned to the code that they started on, so every build needs a name of its own.
ARG COMMIT
RUN if [ -z "$COMMIT" ]; then echo 'say which build this is: --build-arg COMMIT=$(git rev-parse --short=12 HEAD)'; exit 1; fi
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PERDURE_DATA_DIR=/data \
    PERDURE_API__HOST=0.0.0.0 \
    PERDURE_API__PORT=8000 \
    PERDURE_WORKER__BUILD_ID=$COMMIT
USER perdure
EXPOSE 8000
# That of the API, the default command; a worker has no port, docker-compose.yml gives it a check of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PERDURE_API__PORT\"]}/health/ready', timeout=4)"]
ENTRYPOINT ["perdure"]
CMD ["api"]
