"""How the service is started: the exact command and environment."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from airloop.paths import PROJECT, root
from airloop.settings import Settings


def service_command(
    settings: Settings, port: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """The command line and the whole environment of the service, bound to loopback.

    Stop it by SIGTERM to the process: BentoML drains its workers. State stays under ``settings.home``.

    :param port: default: the port of ``settings.serving.url``
    """
    port = port or urlsplit(settings.serving.url).port or 3000
    # BentoML puts its working directory first on the path: an empty one, where nothing stands for a library.
    workdir = settings.home / "bentoml" / "workdir"
    workdir.mkdir(parents=True, exist_ok=True)
    argv = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "airloop.serving.service:Predictions",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--working-dir",
        str(workdir),
        "--timeout-graceful-shutdown",
        "10",
    ]
    env = {
        **os.environ,
        PROJECT: str(root()),
        "AIRLOOP_HOME": str(settings.home),
        "BENTOML_HOME": str(settings.home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OTEL_SDK_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }
    return argv, env
