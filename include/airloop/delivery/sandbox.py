"""A trial of one version: the service's own application, on a free port, with an endpoint that holds only it."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from airloop.contracts import ArtifactRef, ModelVersion
from airloop.errors import ArtifactError, UnreachableError
from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import Tokens
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.version import Model, tried
from airloop.settings import Settings

#: Ends what hangs; no verdict depends on it, since a busy machine may take long.
START_SECONDS = 300.0
_POLL_SECONDS = 0.01


@contextmanager
def serve_version(
    version: ModelVersion,
    load: Callable[[ArtifactRef], Model],
    settings: Settings,
    home: Path,
) -> Iterator[Settings]:
    """Serve a version over HTTP while the context lasts; yields settings that point to it.

    Nothing of the real service is touched: the predictions are logged under ``home``.

    :raises ArtifactError: if the endpoint refuses the version
    """
    deployment = tried(version)
    endpoints = Endpoints(
        home,
        models=lambda: [version.model],
        deployed=lambda: {version.model: deployment},
        load=load,
    )
    token = secrets.token_urlsafe(16)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(Middleware(Application(endpoints), Tokens(token)), log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            _wait(endpoints, version.model)
            serving = settings.serving.model_copy(update={"url": url, "token": SecretStr(token)})
            yield settings.model_copy(update={"serving": serving})
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def _wait(endpoints: Endpoints, model: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        endpoint = endpoints.get(model)
        if endpoint is not None and endpoint.current is not None:
            return
        if endpoint is not None and endpoint.error is not None:
            raise ArtifactError("the service refuses this version", value=endpoint.error)
        time.sleep(_POLL_SECONDS)
    raise UnreachableError(f"the service did not start within {START_SECONDS:g} s")
