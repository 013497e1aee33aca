"""The BentoML service: all models of the catalog, in each of ``serving.workers`` processes.

Started by :func:`airloop.serving.command.service_command`, as
``bentoml serve airloop.serving.service:Predictions``. BentoML supervises the workers, each with
a socket of its own; every request is answered by the mounted application, behind the middleware. The supervisor loads
this module, too, and answers nothing: what only a worker needs, it does not import.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import bentoml

from airloop.paths import put_on_path
from airloop.serving import listening
from airloop.serving.drain import name_supervisor
from airloop.serving.runtime.peers import make_folder
from airloop.settings import Settings, load_settings

put_on_path()
logging.getLogger("airloop").setLevel(logging.INFO)
# Uvicorn's own access log costs a third of the throughput, and request ids stand in the answers.
logging.getLogger("uvicorn.access").disabled = True


def _supervise(settings: Settings) -> None:
    """Keep the port for the workers."""
    workers, cores = settings.serving.workers, len(os.sched_getaffinity(0))
    listening.keep_port(shared=workers > 1)
    make_folder(workers)
    if workers > cores:
        logging.getLogger("airloop.serving").warning(
            "serving.workers is %d, and this process may use %d cores: more workers than cores answer nothing sooner",
            *(workers, cores),
        )


def _options(settings: Settings) -> dict[str, Any]:
    """What differs from BentoML's defaults: whatever costs throughput or lets somebody in is off."""
    return {
        "workers": settings.serving.workers,
        "metrics": {"enabled": False},
        "logging": {"access": {"enabled": False}},
        "tracing": {"excluded_urls": ".*"},
        # Our own limits answer before this one (5 s for a body, 10 s for an answer). Short, since BentoML leaves
        # a timer behind for every request until it would have fired.
        "traffic": {"timeout": 16},
    }


class Predictions:
    """Predictions of every deployed model."""


_settings = load_settings()
_made = bentoml.service(name="airloop", **_options(_settings))
if name_supervisor():
    _supervise(_settings)
    service: Any = _made(Predictions)
else:
    from airloop.serving.worker import Entrance, enter

    _application, _middleware = enter(_settings)
    service = _made(bentoml.asgi_app(_application.pages, path="/")(Predictions))
    service.add_asgi_middleware(Entrance, ours=_middleware)
Predictions = service  # type: ignore[misc]
