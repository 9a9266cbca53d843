# CPU:  docker build -t quaywatch .
# CUDA: docker build -t quaywatch:cuda --build-arg PIP_ARGS= .
# Use:  docker run --rm -v "$PWD:/data" quaywatch predict scene.tif zones=zones.geojson out=run
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends make git libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/quaywatch
COPY Makefile pyproject.toml requirements.lock README.md LICENSE NOTICE ./
COPY tools tools
COPY detector detector
COPY conf conf
COPY weights weights

# PyTorch without CUDA by default: a fifth of the size
ARG PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
ENV PIP_NO_CACHE_DIR=1
RUN make setup PIP_ARGS="$PIP_ARGS"

RUN useradd --create-home analyst
USER analyst
ENV QUAYWATCH_CACHE=/tmp/quaywatch
WORKDIR /data
ENTRYPOINT ["/opt/quaywatch/.venv/bin/detector"]
CMD ["--help"]
