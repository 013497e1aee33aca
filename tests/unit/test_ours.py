"""A port of the stack's own is anybody's once its server has died: neither token nor password goes to who took it."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airloop.demo.traffic import Client, Tally
from airloop.devstack.airflow_session import AirflowSession
from airloop.errors import UnreachableError
from airloop.serving.client import ServiceClient
from airloop.settings import Settings, load_settings


class _Taker(http.server.BaseHTTPRequestHandler):
    def _all(self) -> None:
        self.server.told.append(dict(self.headers))  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = _all  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """What a server hears that listens where the stack's servers should."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    server.told = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("AIRLOOP__SERVING__TOKEN", "the-token")
    runtime = f"airflow_url: {url}\nmlflow_uri: {url}\nserving: {{url: '{url}'}}\n"
    (tmp_path / "runtime.yaml").write_text(runtime)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "airflow_password").write_text("the-password")
    load_settings.cache_clear()
    yield server.told  # type: ignore[attr-defined]
    load_settings.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


def _asked(settings: Settings) -> Any:
    with ServiceClient(settings) as client:
        return client._send("GET", "/slots")


def _session(settings: Settings) -> Any:
    with AirflowSession.connect(settings) as airflow:
        return airflow.get("/dags")


WAYS: dict[str, Callable[[Settings], Any]] = {
    "the service's token": _asked,
    "Airflow's password": _session,
    "the demo's traffic": lambda settings: Client(settings, "m", Tally()).ask([{}]),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_took_the_port_of_a_server_that_died_is_named_and_told_nothing(
    told: list[dict[str, str]], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    WAYS[way](load_settings())
    assert told, "our own is asked"
    told.clear()
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(UnreachableError, match=f"another user of this machine.*'uid {mine}'"):
        WAYS[way](load_settings())
    assert not told


def test_it_is_not_ready_either(
    told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with ServiceClient(load_settings()) as client:
        assert not client.ready()
    assert not told


def test_a_server_that_is_not_the_stacks_is_nobodys_business(
    told: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in a container has a user of its own there."""
    url = load_settings().serving.url
    (tmp_path / "runtime.yaml").unlink()
    load_settings.cache_clear()
    monkeypatch.setenv("AIRLOOP__SERVING__URL", url)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    _asked(load_settings())
    assert told[0]["authorization"] == "Bearer the-token"
