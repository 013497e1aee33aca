"""One worker of the service: the application behind its entrance, on a socket of its own."""

from __future__ import annotations

import logging
import sys

from starlette.types import ASGIApp, Receive, Scope, Send

from airloop.serving import listening
from airloop.serving.assembly import build_endpoints
from airloop.serving.drain import Drain
from airloop.serving.http.app import Application
from airloop.serving.http.connections import put_in_place
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import NONE, Tokens
from airloop.serving.runtime.peers import Peers, folder
from airloop.settings import Settings, in_force
from airloop.specs import load_catalog

log = logging.getLogger("airloop.serving")


class Entrance:
    """What BentoML takes for a middleware: requests go to ours and never on to BentoML's own routes."""

    def __init__(self, app: ASGIApp, ours: Middleware) -> None:
        self._bentoml, self._ours = app, ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests to our middleware, BentoML's lifespan to BentoML."""
        await (self._ours if scope["type"] == "http" else self._bentoml)(scope, receive, send)


def enter(settings: Settings) -> tuple[Application, Middleware]:
    """Listen, and make what answers: the application, whose pages BentoML mounts, and the middleware before it."""
    # The batches' thread and the event loop share one interpreter: at the default of 5 ms each hand-over would cost a
    # request more than its prediction.
    sys.setswitchinterval(0.0005)
    beside = folder()
    listening.open_own(shared=beside is not None)
    for line in in_force(settings):
        log.info("in force: %s", line)
    drain, tokens = Drain(settings.serving.drain_seconds), Tokens.of(settings.serving)
    if tokens.fault == NONE:
        log.warning("nobody can enter: AIRLOOP__SERVING__TOKEN is empty")
    peers = Peers(beside) if beside is not None else None
    application = Application(build_endpoints(settings, load_catalog()), drain, tokens, peers)
    put_in_place(application.admission)
    return application, Middleware(application, tokens, drain)
