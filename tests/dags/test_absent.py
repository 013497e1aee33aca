"""A DAG that the specs promise and Airflow lacks: named by the page, by `airloop status`' question, and by one alert."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from airloop.projects.creation import create
from tests.support.projects import told_of

BUNDLE = "absent"


@pytest.fixture
def project(tmp_path: Path, database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose files have not changed for long, and an Airflow that knows its bundle."""
    made = create(tmp_path / "mine", example="flights")
    for path in (made / "config").rglob("*.yaml"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    storage = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"
    monkeypatch.setenv(storage, str(tmp_path / "bundles"))
    monkeypatch.delenv("AIRLOOP_CONFIG", raising=False)
    forget()
    with told_of(made, tmp_path / "home"):
        yield made
    forget()


def forget() -> None:
    """No DAG, no import error, no bundle of these tests."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    with create_session() as session:
        session.execute(
            update(DagModel).where(DagModel.bundle_name == BUNDLE).values(is_stale=True)
        )
        session.execute(delete(ParseImportError).where(ParseImportError.bundle_name == BUNDLE))
        session.merge(DagBundleModel(name=BUNDLE))


def read(*only: str) -> Any:
    """What a DAG processor does with the stubs; with those alone that are named."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    from airloop_operators.bundle import ProjectBundle

    bundle = ProjectBundle(name=BUNDLE)
    bundle.initialize()
    folders = [bundle.path / "airloop_stubs" / one for one in only] or [bundle.path]
    for folder in folders:
        bag = DagBag(folder, bundle_path=bundle.path, bundle_name=BUNDLE)
        sync_bag_to_db(bag, BUNDLE, None)
    return bundle


def test_all_are_there_once_every_stub_was_read(project: Path) -> None:
    from airloop_operators.ui.app import absent_dags

    read()
    assert json.loads(bytes(absent_dags().body)) == {"expected": 13, "there": 13, "absent": []}


def test_the_page_and_the_status_name_what_no_parse_brought(project: Path) -> None:
    from airloop_operators.ui.app import absent_dags, page

    read("datasets", "project", "models/flight_delay.py")
    lacking = "config/models/flight_delay_torch.yaml: Airflow lacks train_flight_delay_torch, "
    assert lacking in bytes(page().body).decode()
    told = json.loads(bytes(absent_dags().body))
    (sentence,) = told.pop("absent")
    assert sentence.startswith(lacking)
    assert told == {"expected": 13, "there": 9}


def test_a_wrong_spec_is_left_to_what_is_said_of_specs(project: Path) -> None:
    from airloop_operators.ui.absent import presence

    model = project / "config" / "models" / "flight_delay.yaml"
    model.write_text(model.read_text() + "holydays: none\n")
    read()
    found = presence()
    assert (found.expected, found.there, found.absent) == (9, 9, ())


def test_a_database_that_cannot_be_asked_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastapi import HTTPException
    from sqlalchemy.exc import OperationalError

    from airloop_operators.ui import absent
    from airloop_operators.ui.app import absent_dags

    def refuse() -> None:
        raise OperationalError("select", {}, OSError("gone"))

    monkeypatch.setattr(absent, "parsed", refuse)
    assert absent.absent() == (
        "Airflow's database was not asked for missing DAGs: OperationalError",
    )
    with pytest.raises(HTTPException, match="was not asked") as refusal:
        absent_dags()
    assert refusal.value.status_code == 503


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """A webhook that the settings name, and what it was told."""
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.taken = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AIRLOOP__ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}")
    yield server.taken  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_dag_processor_tells_it_once(
    project: Path, hook: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airloop_operators import watch

    monkeypatch.setattr(watch, "EVERY", 0.0)
    bundle = read("datasets", "project", "models/flight_delay.py")
    bundle.refresh()
    bundle.refresh()
    (alert,) = hook
    assert (alert["model"], alert["triage"]) == ("flight_delay_torch", "missing DAGs")
    assert "Airflow lacks train_flight_delay_torch, " in alert["reason"]
    # Back and gone again is news.
    read()
    bundle.refresh()
    forget()
    bundle.refresh()
    assert len(hook) == 2
    assert hook[1]["model"] == "airloop"
    assert "ingest_flights" in hook[1]["reason"]


def test_settings_that_are_wrong_keep_no_processor_from_its_work(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airloop_operators import watch

    monkeypatch.setattr(watch, "EVERY", 0.0)
    bundle = read("datasets", "project", "models/flight_delay.py")
    (project / "config" / "airloop.yaml").write_text("no: setting\n")
    bundle.refresh()
