"""The Airloop page: behind Airflow's login, drawn from the ledger, and no way out of the reports' folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import insert, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from airloop.contracts import ArtifactRef, Outcome
from airloop.devstack.needs import _ledger
from airloop.ledger import Ledger, open_ledger
from airloop.ledger.incidents import Incident
from airloop.ledger.tables import deployments
from airloop.monitoring.scripts import asset
from airloop.settings import load_settings
from airloop.storage import folder
from airloop_operators.ui import reports
from airloop_operators.ui.overview import since
from airloop_operators.ui.pictures import Bar, Point, bars, curve
from tests.dags.conftest import LoadDags
from tests.support.checkout import ROOT
from tests.support.old_ledger import make_old_ledger

MODEL = "flight_delay"
Client = Any


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return open_ledger(load_settings())


@pytest.fixture
def client(home: Path, database: None) -> Iterator[Client]:
    """The app as the API server mounts it, with Airflow's own auth manager."""
    from airflow.api_fastapi.app import init_auth_manager
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from airloop_operators.ui.app import create_app

    app = FastAPI()
    init_auth_manager(app)
    app.mount("/airloop", create_app())
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.fixture
def login(client: Client) -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    user = SimpleAuthManagerUser(username="admin", role="admin")
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}


@pytest.mark.parametrize("path", ["/", "/theme.js", "/reports/", "/reports/a/drift.html"])
def test_nothing_is_shown_without_a_login(client: Client, path: str) -> None:
    assert client.get(f"/airloop{path}").status_code == 401
    assert client.get(f"/airloop{path}", headers={"Authorization": "Bearer no"}).status_code == 403


def test_a_person_without_a_login_is_sent_to_it(client: Client) -> None:
    answer = client.get("/airloop/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (
        303,
        "/api/v2/auth/login",
    )


def test_no_redirect_repeats_the_host_that_the_caller_claims(client: Client) -> None:
    wanted = {"Accept": "text/html", "Host": "evil.example"}
    for path in ("/airloop/", "/airloop/reports/a?b=c", "/airloop/absent/", "/airloop/theme.js/"):
        assert "evil" not in str(client.get(path, headers=wanted).headers), path
    sent = client.get("/airloop/reports/a?b=c", headers=wanted).headers["location"]
    assert sent == "/api/v2/auth/login?next=/airloop/reports/a%3Fb%3Dc"


def test_an_empty_project_says_what_comes_first(client: Client, login: dict[str, str]) -> None:
    page = client.get("/airloop/", headers=login).text
    for words in ("flight_delay", "none yet", "train, then deploy", "Nothing was decided yet."):
        assert words in page


def test_a_failed_training_and_a_refused_delivery_leave_their_reason(
    client: Client, login: dict[str, str], ledger: Ledger, load_dags: LoadDags
) -> None:
    dags = load_dags()
    dags[f"train_{MODEL}"].get_task("train").retries = 0
    training = dags[f"train_{MODEL}"].test(run_conf={"params": {"die": True}})
    dags[f"deploy_{MODEL}"].test(run_conf={"version": 13})
    page = client.get("/airloop/", headers=login).text
    assert "Nothing was decided yet." not in page.split("flight_delay_torch</h2>")[0]
    assert f"/dags/train_{MODEL}/runs/{quote(training.run_id, safe='')}" in page
    for words in (
        f"train_{MODEL}, train: step train crashed (killed by signal 9)",
        f"deploy_{MODEL}, verify: {MODEL} version 13 cannot serve: answers: 3 of 10 differ",
    ):
        assert page.count(words.replace("'", "&#39;")) == 2  # the last run, and on record
    assert page.count('<span class="badge failed">failed</span>') == 4


def test_what_failed_without_a_word_of_ours_names_its_task(
    client: Client, login: dict[str, str], ledger: Ledger, load_dags: LoadDags
) -> None:
    """As where a worker was killed: only Airflow knows."""
    dag = load_dags()[f"deploy_{MODEL}"]
    failed = dag.test(run_conf={"version": 13})
    with ledger.transaction() as connection:
        connection.exec_driver_sql("DROP TRIGGER airloop_decisions_no_DELETE")
        connection.exec_driver_sql("DELETE FROM airloop_decisions")
    page = client.get("/airloop/", headers=login).text
    assert quote(failed.run_id, safe="") in page
    assert "verify failed: see its log" in page


def _live(ledger: Ledger) -> None:
    fence = ledger.begin_attempt(f"promote:{MODEL}")
    ledger.record_deployment(
        fence,
        model=MODEL,
        version=3,
        artifact=ArtifactRef(uri="runs:/x/model", digest="sha256:" + "0" * 64),
        kind="promote",
        reason="first",
    )
    ledger.remember_incident(
        Incident(
            model=MODEL,
            dataset="flights",
            partition="2013-03-09",
            digest="sha256:1",
            reason="values missing: <b>temp",
            at=datetime(2013, 3, 10, tzinfo=UTC),
        )
    )
    ledger.record_decision(
        entity=MODEL, topic="replay", action="measured", reason="replayed", figures={"nights": 40}
    )
    ledger.record_decision(
        entity=MODEL,
        topic="mlflow",
        action="differs",
        reason="MLflow differs: <b>version 3 is gone",
    )
    for day, value, triage in (("2013-03-08", 0.71, "nothing"), ("2013-07-01", 0.66, "drift")):
        ledger.record_decision(
            entity=MODEL,
            topic="performance",
            action="measured",
            reason="labels",
            figures={"partition": day, "roc_auc": value, "promised": 0.7},
        )
        ledger.record_decision(
            entity=MODEL,
            topic="retraining",
            action="retrain" if triage == "drift" else "wait",
            reason=f"<b>{triage}</b>",
            figures={
                "partition": day,
                "features_drifted": 4,
                "triage": triage,
                "alternatives": "wait: costs and gains nothing; train: +0.0200, costs 0.05",
            },
        )


def test_the_page_tells_champion_trend_and_decisions(
    client: Client, login: dict[str, str], ledger: Ledger
) -> None:
    _live(ledger)
    page = client.get("/airloop/", headers=login)
    for words in (
        "version 3",
        "0.660",
        "promised 0.700",
        f'href="/airloop/reports/{MODEL}/replay/replay.html"',
        'class="drift"',
        "2013-07-01",
        "<polyline",
        "train: +0.0200, costs 0.05",
        "values missing: &lt;b&gt;temp",
        'action="incidents/1"',
        "MLflow differs: &lt;b&gt;version 3 is gone; `airloop reconcile` puts it right",
    ):
        assert words in page.text
    assert "&lt;b&gt;drift&lt;/b&gt;" in page.text  # a reason is text, never markup
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_page_shows_the_champion_that_is_proven_and_names_the_row_that_is_not(
    client: Client, login: dict[str, str], ledger: Ledger
) -> None:
    _live(ledger)
    assert "is not followed" not in client.get("/airloop/", headers=login).text
    with ledger.transaction() as connection:
        row = connection.execute(select(deployments)).one()
        forged = {**row._mapping, "sequence": 2, "version": 77, "request": None}
        connection.execute(insert(deployments).values(forged))
    page = client.get("/airloop/", headers=login).text
    assert "version 3" in page
    assert "version 77" not in page
    assert "deployment 2 is not followed: it was put into the ledger past Airloop" in page
    outcome, says = _ledger(load_settings())
    assert outcome is Outcome.BAD, "and so does `airloop status`"
    assert f"{MODEL}: deployment 2 is not followed" in says


def said(client: Client, login: dict[str, str], number: int, kind: str, why: str, **headers: str) -> Any:  # fmt: skip
    data, where = {"as": kind, "reason": why}, {"Sec-Fetch-Site": "same-origin"} | headers
    return client.post(f"/airloop/incidents/{number}", headers=login | where, data=data)


def test_an_incident_is_resolved_on_the_page_once(
    client: Client, login: dict[str, str], ledger: Ledger
) -> None:
    _live(ledger)
    done = said(client, login, 1, "drift", " a new fleet ")
    assert (done.status_code, done.headers["location"]) == (303, "../")
    [incident] = ledger.incidents(MODEL)
    assert (incident.status, incident.resolution, incident.actor) == (
        "drift",
        "a new fleet",
        "admin",
    )
    assert 'action="incidents/1"' not in client.get("/airloop/", headers=login).text
    again = said(client, login, 1, "fault", "no")
    assert again.status_code == 409
    assert "the incident was resolved as drift already, by admin" in again.text
    assert said(client, login, 7, "fault", "no").status_code == 409


def test_what_no_page_of_ours_says_resolves_nothing(
    client: Client, login: dict[str, str], ledger: Ledger
) -> None:
    _live(ledger)
    assert said(client, login, 1, "drift", "r", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403  # fmt: skip
    data = {"as": "drift", "reason": "r"}
    for origin in ({}, {"Origin": "https://evil.example"}):
        assert client.post("/airloop/incidents/1", headers=login | origin, data=data).status_code == 403  # fmt: skip
    assert said(client, {}, 1, "drift", "r").status_code == 401
    assert said(client, login, 1, "drift", "  ").status_code == 422
    assert said(client, login, 1, "noise", "r").status_code == 422
    assert ledger.incidents(MODEL)[0].status == "open"
    # The control: what an older browser tells is enough.
    here = login | {"Origin": "http://testserver"}
    assert client.post("/airloop/incidents/1", headers=here, data=data).status_code == 303


def test_who_may_only_look_resolves_nothing(client: Client, ledger: Ledger) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    _live(ledger)
    user = SimpleAuthManagerUser(username="eve", role="viewer")
    login = {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}
    assert client.get("/airloop/", headers=login).status_code == 200
    assert said(client, login, 1, "drift", "r").status_code == 403
    assert ledger.incidents(MODEL)[0].status == "open"


def test_a_broken_spec_is_told_on_the_page(
    config: Path, client: Client, login: dict[str, str]
) -> None:
    (config / "models" / "flight_delay.yaml").write_text("name: flight_delay\nlevle: 1\n")
    answer = client.get("/airloop/", headers=login)
    assert answer.status_code == 200
    assert "flight_delay.yaml" in answer.text
    assert "flight_delay_torch" in answer.text


def test_a_ledger_that_nobody_migrated_is_told_on_the_page(
    client: Client, login: dict[str, str], home: Path
) -> None:
    path = Path(load_settings().ledger_url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    make_old_ledger(f"sqlite:///{path}")
    shown = client.get("/airloop/", headers=login)
    assert shown.status_code == 503
    assert "run `airloop ledger migrate`" in shown.text.replace("&#34;", '"')


@pytest.fixture
def reports_folder(home: Path) -> Path:
    folder = home / "reports"
    (folder / MODEL / "2013-07-01").mkdir(parents=True)
    (folder / MODEL / "2013-07-01" / "drift.html").write_text("<script>1</script>")
    (home / "secrets").mkdir()
    (home / "secrets" / "service_token").write_text("canary-of-the-tests")
    (folder / "link").symlink_to(home / "secrets")
    return folder


def test_the_script_that_reports_share_needs_no_login_and_nothing_else_is_shown_like_that(
    client: Client, reports_folder: Path
) -> None:
    """A sandboxed page is a stranger: the browser sends no login with what it loads."""
    assets = reports_folder / "Assets"
    assets.mkdir()
    code = b"window.drawDashboard = 1;"
    (assets / asset(code)).write_bytes(code)
    (assets / f"{'0' * 64}.js").write_bytes(b"other bytes than its name says")
    answer = client.get(f"/airloop/reports/Assets/{asset(code)}")
    assert (answer.status_code, answer.content) == (200, code)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert client.get(f"/airloop/reports/Assets/{'0' * 64}.js").status_code == 404
    assert client.get("/airloop/reports/Assets/..%2f..%2fsecrets.js").status_code in {401, 404}
    assert client.get("/airloop/reports/Assets/").status_code == 401


def test_a_report_is_shown_as_a_stranger(
    client: Client, login: dict[str, str], reports_folder: Path
) -> None:
    path = f"/airloop/reports/{MODEL}/2013-07-01"
    assert "drift.html" in client.get(path, headers=login).text
    answer = client.get(f"{path}/drift.html", headers=login)
    assert answer.text == "<script>1</script>"
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-same-origin" not in policy


def test_a_report_and_an_icon_bear_the_policy_that_stops_requests(
    client: Client, login: dict[str, str], reports_folder: Path
) -> None:
    """Forms, windows, frames, pictures, requests: each is a way by which a script could carry values away."""
    page = f"/airloop/reports/{MODEL}/2013-07-01/drift.html"
    for path in (page, "/airloop/icon.svg"):
        headers = client.get(path, headers=login).headers
        rules = dict(
            ([*rule.strip().split(" ", 1), ""])[:2]
            for rule in headers["content-security-policy"].split(";")
        )
        assert rules["default-src"] == "'none'"
        assert not {"allow-popups", "allow-forms", "allow-top-navigation"} & set(
            rules["sandbox"].split()
        )
        for name in rules:
            assert "http" not in rules[name], name
            assert "*" not in rules[name], name
    rules = client.get(page, headers=login).headers
    for rule in ("connect-src 'none'", "form-action 'none'", "webrtc 'block'"):
        assert rule in rules["content-security-policy"]
    assert rules["x-dns-prefetch-control"] == "off"


@pytest.mark.parametrize(
    "path",
    [
        "../secrets/service_token",
        "..%2fsecrets%2fservice_token",
        "%2e%2e/secrets/service_token",
        "flight_delay/../../secrets/service_token",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "link/service_token",
        "a%00b",
        "nothing.html",
    ],
)
def test_no_path_leads_out_of_the_reports(
    client: Client, login: dict[str, str], reports_folder: Path, path: str
) -> None:
    answer = client.get(f"/airloop/reports/{path}", headers=login)
    assert answer.status_code == 404
    assert "canary" not in answer.text


def test_control_without_the_edge_a_link_leads_out(
    reports_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    assert reports.find(settings, "link/service_token") is None
    monkeypatch.setattr(folder, "inside", lambda found, root: True)
    found = reports.find(settings, "link/service_token")
    assert isinstance(found, reports.Report)
    assert found.content == b"canary-of-the-tests"


def test_every_process_may_load_the_plugin_cheaply() -> None:
    code = (
        "import sys; import airloop_operators.plugin as p; "
        "print(p.AirloopPlugin().name, 'fastapi' in sys.modules, 'mlflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-3:] == ["airloop", "False", "False"]


def test_the_plugin_is_one_thin_file() -> None:
    files = list((ROOT / "plugins").rglob("*.py"))
    assert [path.name for path in files] == ["airloop_plugin.py"]
    assert len(files[0].read_text().splitlines()) < 50


def test_pictures_hold_every_point() -> None:
    points = [Point(f"2013-01-0{n}", 0.6 + n / 100, f"day {n}") for n in range(1, 6)]
    svg = curve(points, promised=0.7)
    assert svg.count("<circle") == 5
    assert 'class="promised"' in svg
    assert curve([]) == "" == bars([])
    assert bars([Bar("2013-01-01", 0, "quiet", '<&">')]).count("&lt;&amp;&quot;&gt;") == 1


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=5), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(days=12), "12 days"),
        (timedelta(seconds=-9), "less than a minute"),
    ],
)
def test_ages_are_in_words(ago: timedelta, words: str) -> None:
    now = datetime(2013, 7, 1, tzinfo=UTC)
    assert since(now - ago, now) == words


def test_an_asset_that_is_made_by_one_of_our_dags_is_asked_for_as_its_run_is(
    database: None,
) -> None:
    """Airflow begins a run of whichever DAG makes an asset, with any ``conf``: a way around the door."""
    from airflow.models.asset import AssetModel, TaskOutletAssetReference
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    from airloop_operators.ui.conf import ConfMiddleware

    numbers = {}
    with create_session() as session:
        session.add(DagBundleModel(name="of-this-test"))
        session.flush()
        for dag in ("ingest_flights", "somebody_elses"):
            # Another test of this database may have made one.
            session.merge(DagModel(dag_id=dag, bundle_name="of-this-test", fileloc="x.py"))
            asset_model = AssetModel(name=f"of {dag}", uri=f"x://{dag}")
            session.add(asset_model)
            session.flush()
            numbers[dag] = asset_model.id
            session.add(
                TaskOutletAssetReference(asset_id=asset_model.id, dag_id=dag, task_id="make")
            )

    async def begin(request: Request) -> JSONResponse:
        return JSONResponse({"begun": await request.json()})

    routes = [Route("/api/v2/assets/{asset}/materialize", begin, methods=["POST"])]
    app = ConfMiddleware(Starlette(routes=routes))  # type: ignore[arg-type]

    def ask(number: int, conf: dict[str, Any]) -> int:
        async def scenario() -> httpx.Response:
            transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as http:
                path = f"/api/v2/assets/{number}/materialize"
                headers = {"authorization": "Bearer x"}
                return await http.post(path, json={"conf": conf}, headers=headers)

        return asyncio.run(scenario()).status_code

    assert ask(numbers["ingest_flights"], {"partiton": "2013-01-01"}) == 422
    assert ask(numbers["ingest_flights"], {"notes": "x" * 20_000_000}) == 413
    assert ask(numbers["ingest_flights"], {"partition": "2013-01-01"}) == 200
    assert ask(numbers["somebody_elses"], {"partiton": 1}) == 200
    assert ask(max(numbers.values()) + 1, {"partiton": 1}) == 200
