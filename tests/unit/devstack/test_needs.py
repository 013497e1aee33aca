"""What a run needs, in words: the DAGs by the page's own count."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airloop import listeners
from airloop.contracts import Outcome
from airloop.devstack.layout import Layout
from airloop.devstack.needs import Need, needs
from airloop.errors import UnreachableError
from airloop.registry import credentials, tracking
from airloop.settings import load_settings


class _Page(http.server.BaseHTTPRequestHandler):
    """Airflow with Airloop's page, which says of the DAGs what a test wants."""

    def do_GET(self) -> None:
        asked = self.path.partition("?")[0]
        self.server.asked.append(asked)  # type: ignore[attr-defined]
        said = self.server.said if asked == "/airloop/absent" else None  # type: ignore[attr-defined]
        body = json.dumps(said).encode()
        self.send_response(404 if said is None else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("AIRLOOP__AIRFLOW_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("MLFLOW_URI", "SERVING__URL"):
        monkeypatch.setenv(f"AIRLOOP__{name}", f"http://127.0.0.1:{server.server_port}")
    layout = Layout(tmp_path)
    layout.create()
    (layout.secrets / "airflow_password").write_text("secret")
    load_settings.cache_clear()
    yield server
    load_settings.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


def dags(page: Any, tmp_path: Path, **said: Any) -> Need:
    page.said = said
    found = {need.name: need for need in needs(Layout(tmp_path), load_settings())}
    return found["DAGs"]


def test_all_dags_are_there(page: Any, tmp_path: Path) -> None:
    found = dags(page, tmp_path, expected=10, there=10, absent=[])
    assert (found.outcome, found.says) == (Outcome.OK, "all 10 are there")
    # One way: nobody counts the list of Airflow's DAGs beside it.
    assert "/api/v2/dags" not in page.asked


def test_those_that_had_no_time_yet_could_not_be_told(page: Any, tmp_path: Path) -> None:
    found = dags(page, tmp_path, expected=10, there=7, absent=[])
    assert found.outcome is Outcome.UNKNOWN
    assert found.says.startswith("7 of 10 are there yet: ")


def test_those_that_are_overdue_are_named_three_and_a_number(page: Any, tmp_path: Path) -> None:
    sentences = [f"config/models/m{number}.yaml: Airflow lacks it" for number in range(5)]
    found = dags(page, tmp_path, expected=20, there=10, absent=sentences)
    assert found.outcome is Outcome.BAD
    assert found.says == "; ".join([*sentences[:3], "and 2 specs more"])


def test_a_page_that_does_not_answer_could_not_be_asked(page: Any, tmp_path: Path) -> None:
    page.said = None
    (found,) = [n for n in needs(Layout(tmp_path), load_settings()) if n.name == "DAGs"]
    assert found.outcome is Outcome.UNKNOWN
    assert "Airloop's page does not answer" in found.says


def test_another_user_who_took_mlflows_port_is_named_and_told_no_password(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runtime.yaml").write_text(f"mlflow_uri: {load_settings().mlflow_uri}\n")
    (tmp_path / "secrets" / credentials.SECRET).write_text("the-loops\n")
    page.said = None
    search = "/api/2.0/mlflow/experiments/search"
    needs(Layout(tmp_path), load_settings())
    assert page.asked.count(search) == 1, "our own is asked"
    mine = os.getuid()
    monkeypatch.setattr(listeners.os, "getuid", lambda: mine + 1)
    found = {need.name: need for need in needs(Layout(tmp_path), load_settings())}
    assert page.asked.count(search) == 1
    assert found["MLflow"].outcome is Outcome.BAD
    assert (
        f"another user of this machine: nothing is sent there; got 'uid {mine}'"
        in found["MLflow"].says
    )
    with pytest.raises(UnreachableError, match="another user"):
        tracking.client(load_settings())
    assert os.environ.get(credentials.PASSWORD) != "the-loops"
