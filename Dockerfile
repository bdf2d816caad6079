# The harness and all that it needs to train and to draw without a screen: `make image`, or
# `make image DEVICE=cuda`. Docker, Podman and Buildah build it.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
FROM ${BASE}

# EGL, with which MuJoCo draws, on a GPU or without: the other environments need no library. rsync
# brings files into a Ray cluster.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgl1 libopengl0 make rsync \
    && rm -rf /var/lib/apt/lists/*

# Any user may run it, as clusters choose their own: what runs write to is open to all.
RUN useradd --uid 1000 --create-home harness \
    && mkdir -p /harness/results /var/cache/harness \
    && chmod 1777 /harness/results /var/cache/harness
ENV PATH=/harness/.venv/bin:$PATH \
    XDG_CACHE_HOME=/var/cache/harness \
    OMP_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
# SkyPilot and Ray enter by a login shell, which sets a PATH of its own.
RUN echo "PATH=/harness/.venv/bin:\$PATH" > /etc/profile.d/harness.sh
WORKDIR /harness

# What changes seldom comes first, and is a layer of its own: torch, then the other packages, then
# the harness, which is small.
COPY constraints.txt ./
# Of the build alone: SkyPilot installs its own packages in a container, of its own versions.
ARG PIP_CONSTRAINT=/harness/constraints.txt
ARG PIP_NO_CACHE_DIR=1
ARG PIP_DISABLE_PIP_VERSION_CHECK=1
# cpu or cuda, which is some gigabytes larger: PyPI has the one for the newest CUDA. TORCH_INDEX is for
# another, such as https://download.pytorch.org/whl/cu126 for older drivers.
ARG DEVICE=cpu
ARG TORCH_INDEX
RUN python3 -m venv .venv \
    && case "$DEVICE" in \
        cpu) index="${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" ;; \
        cuda) index="$TORCH_INDEX" ;; \
        *) echo "DEVICE is cpu or cuda, not '$DEVICE'"; exit 2 ;; \
    esac \
    && pip install ${index:+--extra-index-url "$index"} torch

COPY pyproject.toml ./
ARG EXTRAS=lockstep,box2d,atari,mujoco,robots,bucket,ray
# An empty package with the requirements of this one.
RUN mkdir harness baselines configs ablations \
    && touch README.md LICENSE harness/__init__.py baselines/__init__.py \
    && pip install ".[$EXTRAS]" \
    && pip uninstall --yes rl-ablation-harness \
    && rm -r README.md LICENSE harness baselines configs ablations

COPY . ./
RUN pip install --no-deps --editable . \
    && pip check \
    && chmod -R a+rX ablations baselines configs harness \
    && python -m compileall -q baselines harness \
    && touch .venv/.ready

USER 1000
CMD ["harness", "--help"]
