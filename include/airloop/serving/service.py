"""The BentoML service: all models of the catalog, in each of ``serving.workers`` processes.

Started by :func:`airloop.serving.command.service_command`, as
``bentoml serve airloop.serving.service:Predictions``. BentoML supervises the workers, each with
a socket of its own; every request is answered by the mounted application, behind the middleware.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from airloop.paths import put_on_path
from airloop.serving import listening
from airloop.serving.assembly import build_endpoints
from airloop.serving.drain import Drain, name_supervisor
from airloop.serving.http.app import Application
from airloop.serving.http.connections import put_in_place
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import NONE, Tokens
from airloop.serving.runtime.peers import Peers, folder, make_folder
from airloop.settings import in_force, load_settings
from airloop.specs import load_catalog

put_on_path()
logging.getLogger("airloop").setLevel(logging.INFO)
# Uvicorn's own access log costs a third of the throughput, and request ids stand in the answers.
logging.getLogger("uvicorn.access").disabled = True

_settings = load_settings()

#: What differs from BentoML's defaults: whatever costs throughput or lets somebody in is off.
OPTIONS: dict[str, Any] = {
    "workers": _settings.serving.workers,
    "metrics": {"enabled": False},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
    # Our own limits answer before this one (5 s for a body, 10 s for an answer). Short, since BentoML leaves
    # a timer behind for every request until it would have fired.
    "traffic": {"timeout": 16},
}

# The batches' thread and the event loop share one interpreter: at the default of 5 ms each hand-over would cost a
# request more than its prediction.
sys.setswitchinterval(0.0005)

_peers: Peers | None = None
if name_supervisor():
    listening.keep_port(shared=_settings.serving.workers > 1)
    make_folder(_settings.serving.workers)
    if _settings.serving.workers > (cores := len(os.sched_getaffinity(0))):
        logging.getLogger("airloop.serving").warning(
            "serving.workers is %d, and this process may use %d cores: more workers than cores answer nothing sooner",
            *(_settings.serving.workers, cores),
        )
else:
    _folder = folder()
    listening.open_own(shared=_folder is not None)
    _peers = Peers(_folder) if _folder is not None else None
for _line in in_force(_settings):
    logging.getLogger("airloop.serving").info("in force: %s", _line)
drain = Drain(_settings.serving.drain_seconds)
_tokens = Tokens.of(_settings.serving)
if _tokens.fault == NONE:
    logging.getLogger("airloop.serving").warning(
        "nobody can enter: AIRLOOP__SERVING__TOKEN is empty"
    )
application = Application(build_endpoints(_settings, load_catalog()), drain, _tokens, _peers)
put_in_place(application.admission)


class Entrance:
    """What BentoML takes for a middleware: requests go to ours and never on to BentoML's own routes."""

    def __init__(self, app: ASGIApp, ours: Middleware) -> None:
        self._bentoml, self._ours = app, ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests to our middleware, BentoML's lifespan to BentoML."""
        await (self._ours if scope["type"] == "http" else self._bentoml)(scope, receive, send)


@bentoml.service(name="airloop", **OPTIONS)
@bentoml.asgi_app(application.pages, path="/")
class Predictions:
    """Predictions of every deployed model."""


service: Any = Predictions
_middleware = Middleware(application, _tokens, drain)
service.add_asgi_middleware(Entrance, ours=_middleware)
