"""A container's context: the version on top of the image that serves."""

from __future__ import annotations

from importlib.metadata import version as installed
from pathlib import Path
from typing import Final

from airloop.delivery.packaging import service
from airloop.delivery.packaging.contents import Contents

_DOCKERFILE: Final = """# Version {number} of the model {model}:
#   docker build -t {image}:{number} .
# Built on the serving image of this release, docker/serving.Dockerfile, whose libraries are locked.
ARG BASE=airloop-serving:{release}

FROM ${{BASE}}
{own}COPY service.py /version/service.py
COPY version /version/version
WORKDIR /version
EXPOSE 3000
CMD ["python", "-m", "bentoml", "serve", "{named}", "--host", "0.0.0.0", "--port", "3000", "--working-dir", "/version"]
"""
_OWN: Final = """COPY requirements.txt /version/requirements.txt
USER root
RUN python -m pip install --no-cache-dir --no-deps --requirement /version/requirements.txt
USER 10001:10001
"""


def write(of: Contents, target: Path) -> None:
    """Lay the context out; an engine builds it."""
    own = of.needs()[1:]
    told = {
        "model": of.name,
        "image": of.name.replace("_", "-"),
        "number": of.number,
        "release": installed("airloop"),
        "named": service.NAMED,
        "own": _OWN if own else "",
    }
    (target / "Dockerfile").write_text(_DOCKERFILE.format(**told), encoding="utf-8")
    if own:
        (target / "requirements.txt").write_text("\n".join([*own, ""]), encoding="utf-8")
    service.put(of, target)
