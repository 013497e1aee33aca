"""The demo's loop, shortened, on Postgres and S3: the same commands and DAGs. The tests build on each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airloop.data.lake.lake import Lake
from airloop.devstack.airflow import Airflow, wait_for
from airloop.exchange import seal
from airloop.ledger import Ledger, open_ledger
from airloop.registry.models import aliases
from airloop.serving.client import ServiceClient
from airloop.settings import Settings
from airloop.storage.files import Files
from airloop.vocabulary import Action, Topic

MODEL = "flight_delay"
DATABASES = ("airflow", "mlflow", "ledger", "tuning")
WINTER, SUMMER = ("2013-01-02", "2013-01-13"), ("2013-06-13", "2013-06-24")
NIGHT = SUMMER[1]


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return open_ledger(settings)


def run(airflow: Airflow, dag: str, conf: dict[str, Any]) -> str:
    """A run to its good end; returns its id."""
    started = airflow.trigger(dag, conf)
    state = airflow.wait(dag, started)
    assert state == "success", airflow.failure(dag, started)
    return started


def delivered(airflow: Airflow, ledger: Ledger, version: int) -> None:
    """Wait for the deployment that a candidate's asset starts."""

    def look() -> bool | None:
        failed = [one for one in airflow.runs("deploy_flight_delay") if one["state"] == "failed"]
        assert not failed, airflow.failure("deploy_flight_delay", failed[0]["dag_run_id"])
        current = ledger.current_deployment(MODEL)
        return (current is not None and current.version == version) or None

    wait_for(look, f"version {version} is not delivered", patience=240)


def serves(settings: Settings, version: int) -> None:
    with ServiceClient(settings) as service:
        wait_for(
            lambda: service.endpoint(MODEL).version == version or None,
            f"version {version} does not serve",
            patience=120,
        )


def environments(pids: list[int]) -> Iterator[bytes]:
    for pid in pids:
        yield Path(f"/proc/{pid}/environ").read_bytes()


def test_what_is_external_is_not_started_and_nothing_of_it_is_kept_at_home(place: Any) -> None:
    def well() -> bool | None:
        return {part["state"] for part in place.stack.status().values()} == {"running"} or None

    wait_for(well, "a part is not well", patience=120)
    names = {path.name for path in place.stack.home.rglob("*")}
    assert not names & {"airflow.db", "mlflow.db", "ledger.db", "tuning.db", "lake", "steps"}


def test_airflow_has_the_buckets_keys_from_its_connection_alone(
    place: Any, airflow: Airflow
) -> None:
    found = airflow.get("/connections/airloop_s3")
    assert (found["conn_type"], found["login"]) == ("aws", place.s3.key)
    pids = [part["pid"] for name, part in place.stack.status().items() if "airflow" in name]
    for environment in environments(pids):
        assert place.s3.secret.encode() not in environment


def test_days_arrive_in_the_bucket(place: Any, airflow: Airflow, settings: Settings) -> None:
    runs = [
        airflow.trigger("ingest_flights", {"start": first, "end": last})
        for first, last in (WINTER, SUMMER)
    ]
    for one in runs:
        assert airflow.wait("ingest_flights", one) == "success", airflow.failure("ingest_flights", one)  # fmt: skip
    assert len(Lake(settings).partitions("flights")) == 24
    bucket = Files(place.s3.uri(""), place.s3.options)
    assert {one.name for one in bucket.entries() or ()} >= {"lake", "steps", "reports"}


def test_a_model_is_trained_registered_and_delivered(
    airflow: Airflow, settings: Settings, ledger: Ledger
) -> None:
    run(airflow, "train_flight_delay", {"reason": "first", "until": WINTER[1]})
    delivered(airflow, ledger, 1)
    serves(settings, 1)


def test_its_artifact_lies_in_the_bucket(place: Any) -> None:
    """MLflow's server was given nothing but keys: endpoint and region are those of `storage_options`."""
    assert not {"AWS_ENDPOINT_URL", "AWS_REGION"} & place.stack.env.keys()
    bucket = Files(place.s3.uri("mlflow"), place.s3.options)
    [experiment] = bucket.entries() or ()
    [one] = bucket.entries(experiment.name) or ()
    names = {e.name for e in bucket.entries(f"{experiment.name}/{one.name}/artifacts/model") or ()}
    assert {"manifest.json", "model.skops"} <= names


def test_the_service_answers_over_http(place: Any) -> None:
    for _ in range(3):
        shown = place.stack.airloop("predict", MODEL, "--partition", NIGHT, "--rows", "100")
        assert shown.returncode == 0, shown.stderr
        assert '"version": 1' in shown.stdout


def test_a_shifted_night_retrains_and_promotes(
    place: Any, airflow: Airflow, settings: Settings, ledger: Ledger
) -> None:
    seen = run(airflow, "monitor_flight_delay", {"partition": NIGHT})
    found = airflow.xcom("monitor_flight_delay", seen, "monitor")
    assert found["report"]["triage"] == "drift", found["report"]["reason"]
    assert found["decision"]["action"] == "retrain", found["decision"]["reason"]
    delivered(airflow, ledger, 2)
    serves(settings, 2)
    # The alias is the registry's word on what the ledger has decided, and follows it.
    wait_for(
        lambda: aliases(MODEL, settings=settings).get("champion") == 2 or None,
        "version 2 does not become the champion",
        patience=120,
    )


def test_the_predictions_came_into_the_lake(settings: Settings) -> None:
    lake = Lake(settings)
    logged = lake.snapshot(f"predictions__{MODEL}", [NIGHT])
    assert logged.rows == 300


def test_the_nights_report_is_shown_from_the_bucket(place: Any, settings: Settings) -> None:
    path = f"/airloop/reports/{MODEL}/{NIGHT}/drift.html"
    assert httpx.get(settings.airflow_url + path, trust_env=False).status_code == 401
    password = (place.stack.home / "secrets" / "airflow_password").read_text().strip()
    signed = httpx.post(
        settings.airflow_url + "/auth/token",
        json={"username": "admin", "password": password},
        trust_env=False,
    )
    login = {"authorization": f"Bearer {signed.json()['access_token']}"}
    shown = httpx.get(settings.airflow_url + path, headers=login, trust_env=False, timeout=60)
    assert shown.status_code == 200, shown.text
    assert "temp" in shown.text


def test_one_command_goes_back(place: Any, settings: Settings) -> None:
    done = place.stack.airloop("rollback", MODEL, "--reason", "the test goes back")
    assert done.returncode == 0, done.stderr
    serves(settings, 1)


def test_an_unreachable_database_is_told_before_anything_starts(place: Any, tmp_path: Path) -> None:
    wrong = place.stack.env | {
        "AIRLOOP_HOME": str(tmp_path),
        "AIRLOOP__LEDGER_URL": place.postgres.url + "/none",
    }
    done = type(place.stack)(tmp_path, wrong).airloop("up")
    assert done.returncode != 0
    assert 'database "none" does not exist' in done.stderr
    assert place.postgres.password not in done.stderr + done.stdout
    assert list((tmp_path / "run").glob("*.pid")) == []


def test_the_secret_stands_nowhere(place: Any) -> None:
    assert leaks(place, place.s3.secret) == []
    # Airflow's own configuration and that of MLflow's sign-in, which nobody else may read.
    own = ["airflow/airflow.cfg", "mlflow/users.ini"]
    assert sorted(leaks(place, place.postgres.password)) == own
    secrets = place.stack.home / "secrets"
    for path in (*secrets.glob("mlflow_*"), secrets / seal.SECRET):
        assert leaks(place, path.read_text().strip()) == [f"secrets/{path.name}"]


def test_control_a_planted_secret_is_found(place: Any, settings: Settings, ledger: Ledger) -> None:
    secret = place.s3.secret
    log = place.stack.home / "airflow" / "logs" / "planted.log"
    log.write_text(f"AWS_SECRET_ACCESS_KEY={secret}")
    Files(settings.step_store_uri, settings.storage_options).write("planted.json", secret.encode())
    ledger.record_decision(entity=MODEL, topic=Topic.GATE, action=Action.REFUSED, reason=secret)
    found = leaks(place, secret)
    assert sorted(found) == ["airflow/logs/planted.log", "database ledger", "s3 steps/planted.json"]
    log.unlink()


def leaks(place: Any, secret: str) -> list[str]:
    """Where a secret stands: under home, in the databases, in the bucket."""

    def holds(content: bytes) -> bool:
        return secret.encode() in content

    files = (path for path in place.stack.home.rglob("*") if path.is_file())
    found = [str(p.relative_to(place.stack.home)) for p in files if holds(p.read_bytes())]
    found += [f"database {name}" for name in DATABASES if holds(place.postgres.dump(name))]
    for top in ("lake", "steps", "reports", "mlflow"):
        bucket = Files(place.s3.uri(top), place.s3.options)
        found += [f"s3 {top}/{path}" for path in walk(bucket) if holds(bucket.read(path) or b"")]
    return found


def walk(files: Files, folder: str = "") -> Iterator[str]:
    """Every file's path."""
    for entry in files.entries(folder) or ():
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.folder:
            yield from walk(files, path)
        else:
            yield path
