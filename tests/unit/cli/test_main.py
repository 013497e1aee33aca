"""The command line's contract: one line on stderr, exit code 2 for the user's mistake and 1 for ours."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.main
import yaml

from airloop.check.orphans import orphans
from airloop.cli import main
from airloop.cli.commands import loop
from airloop.contracts import ArtifactRef
from airloop.devstack.addresses import Addresses, write_addresses
from airloop.devstack.layout import Layout
from airloop.devstack.processes import ProcessRecord
from airloop.ledger import Ledger, open_ledger
from airloop.ledger.incidents import Incident
from airloop.projects.creation import create
from airloop.registry import tracking
from airloop.settings import load_settings
from airloop.specs.catalog import load_catalog
from airloop.vocabulary import Action, DeploymentKind, Topic
from tests.support.hostile_files import MODEL, plant_world
from tests.support.projects import told_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    load_settings.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trigger", "ingest_fligts"], "did you mean 'ingest_flights'"),
        (["trigger", "train_flight_delay", "untill=2013-01-01"], "did you mean 'until'"),
        (["trigger", "ingest_flights", "partition=2013-02-30"], "no such day"),
        (["trigger", "ingest_flights", "partition=2013-01-01\n"], "partition"),
        (["trigger", "ingest_flights", "partition=../../etc"], "partition"),
        (["trigger", "ingest_flights", "partition"], "key=value"),
        (["trigger", "ingest_flights", "partition=2013-01-01", "partition=2013-01-02"], "twice"),
        (["predict", "flight_delay"], "no row was given"),
        (["predict", "flight_dely", "--row", "{}"], "did you mean 'flight_delay'"),
        (["predict", "flight_delay", "--row", "{"], "not JSON"),
        (["predict", "flight_delay", "--row", "[1]"], "JSON object"),
        (["predict", "flight_delay", "--file", "/no/such/file"], "cannot be read"),
        (["decisions", "flight_dely"], "did you mean 'flight_delay'"),
        (["decisions", "flihgts"], "did you mean 'flights'"),
        (["rollback", "flight_dely"], "did you mean 'flight_delay'"),
        (["retire", "flight_dely", "--reason", "r"], "did you mean 'flight_delay'"),
        (["retire", "flight_delay"], "--reason"),
        (["decisions", "--limit", "0"], "--limit"),
        (["rollback"], "MODEL"),
        (["report", "flight_dely", "2013-03-07"], "did you mean 'flight_delay'"),
        (["report", "flight_delay", "2013-03-07"], "has no champion"),
        (["replay", "flight_dely"], "did you mean 'flight_delay'"),
        (["replay", "flight_delay", "--from", "2013-13-01"], "that day is not in the lake"),
        (["clean", "--older-than", "soon"], "write 12h, 30d or 8w"),
        (["clean"], "--older-than"),
        (["incidents", "--model", "flight_dely"], "did you mean 'flight_delay'"),
        (["incidents", "resolve", "7", "--as", "drift", "--reason", "r"], "no such incident"),
        (["incidents", "resolve", "7", "--as", "noise", "--reason", "r"], "--as"),
        (["incidents", "resolve", "7", "--as", "fault"], "--reason"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_the_prediction_log_shows_its_damaged_segments_and_reads_them_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "predictions" / "flight_delay"
    folder.mkdir(parents=True)
    (folder / "00000000000000000001-1-a.damaged").write_bytes(b"scribble")
    (folder / "00000000000000000001-1-a.appended").write_text("")
    assert main.run(["predictions", "flight_delay"]) == 0
    shown = capsys.readouterr().out
    assert "damaged" in shown
    assert "8" in shown
    assert main.run(["predictions", "flight_delay", "--recover"]) == 0
    shown = capsys.readouterr().out
    assert "1 kept segments read again, 0 rows" in shown
    assert "8 bytes unread" in shown


def test_a_stack_that_was_never_started_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["trigger", "ingest_flights", "partition=2013-01-01"]) == 1
    assert "airloop up" in capsys.readouterr().err


def test_a_fault_of_ours_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: list[str]) -> dict[str, object]:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(loop, "_pairs", broken)
    assert main.run(["trigger", "ingest_flights"]) == 1
    shown = capsys.readouterr().err
    assert "fault of Airloop" in shown
    assert shown.count("\n") == 1


def test_clean_removes_old_logs_and_nothing_else(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = home / "airflow" / "logs" / "dag_id=d" / "attempt=1.log"
    kept = home / "lake" / "rows.parquet"
    for path in (task, kept, home / "logs" / "mlflow.log.1"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        os.utime(path, (0, 0))
    assert main.run(["clean", "--older-than", "30d"]) == 0
    shown = capsys.readouterr().out
    assert "2 logs removed" in shown
    assert "0 files of reports removed" in shown
    assert not task.exists()
    assert kept.exists()


def test_no_decision_yet_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["decisions"]) == 0
    assert "nothing was decided yet" in capsys.readouterr().out


def test_an_incident_is_listed_until_a_person_says_that_it_was_drift(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = open_ledger(load_settings())
    ledger.remember_incident(
        Incident(
            model="flight_delay",
            dataset="flights",
            partition="2013-03-01",
            digest="sha256:1",
            columns=("temp",),
            reason="another unit? °F → °C: temp",
            at=datetime(2013, 3, 2, tzinfo=UTC),
        )
    )
    assert main.run(["incidents"]) == 0
    assert "°F → °C" in capsys.readouterr().out
    assert main.run(["incidents", "resolve", "1", "--as", "drift", "--reason", "new"]) == 0
    assert "learned from again" in capsys.readouterr().out
    assert main.run(["incidents", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main.run(["incidents", "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "drift"
    assert main.run(["incidents", "resolve", "1", "--as", "fault", "--reason", "no"]) == 2
    assert "resolved as drift already" in capsys.readouterr().err


def test_a_stack_that_does_not_run_is_stopped_not_crashed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["status"]) == 0
    assert "stopped" in capsys.readouterr().out
    assert main.run(["down"]) == 0
    assert "nothing was running" in capsys.readouterr().out


def test_status_and_check_name_a_broken_model_and_status_shows_the_parts_all_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    plant_world(config)
    monkeypatch.setenv("AIRLOOP_CONFIG", str(config))
    load_catalog.cache_clear()
    (config / MODEL).write_text("levle: 1\n")
    assert main.run(["status"]) == 1
    shown = capsys.readouterr()
    assert "Airflow scheduler" in shown.out
    assert shown.err.startswith("model victim: a required key is missing")
    assert str(config / MODEL) in shown.err
    assert shown.err.count("\n") == 1
    assert main.run(["check"]) == 2
    assert "config/models/victim.yaml" in capsys.readouterr().err
    assert main.run(["decisions", "flight_delay"]) == 0
    load_catalog.cache_clear()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("airloop.yaml", "lake_url: elsewhere\n", "did you mean 'lake_uri'"),
        ("airloop.yaml", "a: [\n", "airloop.yaml"),
        ("airloop.yaml", "environment: nowhere\n", "nowhere"),
        ("environments/local.yaml", "reports_days: never\n", "reports_days"),
        ("runtime.yaml", "a: [\n", "runtime.yaml"),
    ],
    ids=["unknown key", "no YAML", "no such environment", "environment", "addresses"],
)
def test_status_shows_what_it_can_under_wrong_settings_and_names_their_fault(
    file: str,
    text: str,
    said: str,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tmp_path / "config"
    plant_world(config)
    monkeypatch.setenv("AIRLOOP_CONFIG", str(config))
    wrong = (home if file == "runtime.yaml" else config) / file
    wrong.parent.mkdir(parents=True, exist_ok=True)
    wrong.write_text(text)
    load_catalog.cache_clear()
    load_settings.cache_clear()
    assert main.run(["status"]) == 1
    shown = capsys.readouterr()
    assert "Airflow scheduler" in shown.out
    assert shown.err.startswith("the settings are wrong: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1
    load_catalog.cache_clear()
    load_settings.cache_clear()


def test_status_asks_the_parts_that_run_under_wrong_settings_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRLOOP__LAKE_URL", "elsewhere")
    layout = Layout(home)
    layout.create()
    # Nobody listens there.
    write_addresses(layout, Addresses(airflow=1, execution=2, mlflow=3, serving=4))
    record = ProcessRecord(
        name="mlflow", pid=os.getpid(), started_ticks=0, started_at=0.0, command=("mlflow",)
    )
    record.write(layout.run)
    load_settings.cache_clear()
    assert main.run(["status", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {part["state"] for part in found["components"]} == {"stopped", "crashed"}
    needs = {need["name"]: need for need in found["needs"]}
    assert needs["disk"]["outcome"] == "ok"
    assert "the settings, which say where it is, are wrong" in needs["ledger"]["says"]
    assert "did you mean" in found["findings"][0]
    load_settings.cache_clear()


def test_status_names_a_ledger_that_the_runtime_file_brought_in(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    runtime = yaml.safe_dump(
        {"airflow_url": "http://127.0.0.1:1", "mlflow_uri": "http://127.0.0.1:2", "ledger_url": url}
        | {"serving": {"url": "http://127.0.0.1:3"}}
    )
    (home / "runtime.yaml").write_text(runtime)
    load_settings.cache_clear()
    assert main.run(["status"]) == 1
    shown = capsys.readouterr()
    assert f"in force: ledger: {url} (by {home / 'runtime.yaml'}, line 2)" in shown.out
    assert "holds ledger_url, which `airloop up` did not write there" in shown.err
    load_settings.cache_clear()


def test_status_names_a_dag_file_that_is_no_ejected_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = create(tmp_path / "mine", example="flights")
    (project / "dags" / "train.py").write_text("")
    with told_of(project, tmp_path / "home"):
        assert main.run(["status"]) == 1
    shown = capsys.readouterr()
    assert "Airflow scheduler" in shown.out
    assert "not the marker of an ejected one" in shown.err


def test_every_commands_help_has_an_example() -> None:
    commands = typer.main.get_command(main.app).commands  # type: ignore[attr-defined]
    assert set(commands) == {
        "up", "down", "status", "demo", "check", "trigger", "predict", "rollback", "decisions",
        "costs", "package", "plugins", "predictions", "retire", "clean", "ledger", "new", "eject", "upgrade",
        "reconcile", "replay", "report", "dags", "incidents", "token", "lake", "audit",
    }  # fmt: skip
    names = ("ledger", "dags", "token", "lake", "audit")
    groups = {name: commands.pop(name).commands for name in names}
    commands |= {f"{group} {name}": one for group, of in groups.items() for name, one in of.items()}
    commands["incidents resolve"] = commands["incidents"].commands["resolve"]
    for name, command in commands.items():
        assert f"Example: airloop {name}" in (command.epilog or ""), name


def deploy(model: str, *versions: int) -> Ledger:
    """Promotions on record, of artifacts that lie nowhere."""
    ledger = open_ledger(load_settings())
    for number in versions:
        ledger.record_deployment(
            ledger.begin_attempt(f"promote:{model}"),
            model=model,
            version=number,
            artifact=ArtifactRef(uri=f"runs:/{number}/model", digest=f"sha256:{number:064x}"),
            kind=DeploymentKind.PROMOTE,
            reason="its gates passed",
        )
    return ledger


@pytest.fixture
def no_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback as where the service holds every version in memory and MLflow is down."""
    monkeypatch.setattr("airloop.delivery.rollback._holds", lambda *_: True)
    monkeypatch.setenv("AIRLOOP__MLFLOW_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("AIRLOOP__SERVING__URL", "http://127.0.0.1:1")
    monkeypatch.setitem(tracking.ENVIRONMENT, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    load_settings.cache_clear()


@pytest.mark.usefixtures("no_artifacts")
def test_a_rollback_after_a_rollback_says_that_nothing_was_done_and_what_would(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = deploy("flight_delay", 1, 2, 3)
    assert main.run(["rollback", "flight_delay", "--to", "2", "--reason", "3 is slow"]) == 0
    assert "version 2 serves again, version 3 is out" in capsys.readouterr().out
    assert main.run(["rollback", "flight_delay"]) == 0
    assert " ".join(capsys.readouterr().out.split()) == (
        "flight_delay: nothing was done, version 2 serves already since a rollback (3 is slow); "
        "`airloop rollback flight_delay --to N` goes to another version, of [1, 3]"
    )
    assert len(ledger.deployments("flight_delay")) == 4


def test_a_datasets_refusals_and_quarantines_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = open_ledger(load_settings())
    for action in (Action.REFUSED, Action.QUARANTINE):
        ledger.record_decision(entity="flights", topic=Topic.VALIDATION, action=action, reason="r")
    assert main.run(["decisions", "flights", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["action"] for one in found] == ["quarantine", "refused"]


@pytest.mark.usefixtures("no_artifacts")
def test_a_model_whose_spec_is_gone_is_reached_by_the_name_that_the_ledger_knows(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = deploy("weather", 1, 2)
    ledger.record_decision(
        entity="weather", topic=Topic.PROMOTION, action=Action.PROMOTED, reason="r"
    )
    assert main.run(["rollback", "weather"]) == 0
    assert "version 1 serves again" in capsys.readouterr().out
    for command in ("decisions", "costs"):
        assert main.run([command, "weather"]) == 0
    retired = main.run(["retire", "weather", "--reason", "nobody asks for it"])
    shown = capsys.readouterr()
    assert retired == 0, "MLflow, which is down, keeps the aliases: that is a warning"
    assert "version 1 is out" in shown.out
    assert "MLflow's aliases follow it later: MLflow does not answer" in caplog.text
    assert ledger.current_deployment("weather") is None
    assert ledger.decisions("weather")[0].reason == "nobody asks for it"


def test_a_model_that_is_deployed_without_a_spec_is_named_until_it_is_retired() -> None:
    ledger = deploy("weather", 3)
    deploy("flight_delay", 1)
    (sentence,) = orphans(load_catalog(), ledger)
    assert "weather: version 3 is deployed" in sentence
    assert "airloop retire weather" in sentence
    ledger.record_deployment(
        ledger.begin_attempt("promote:weather"),
        model="weather",
        version=3,
        artifact=ArtifactRef(uri="runs:/3/model", digest=f"sha256:{3:064x}"),
        kind=DeploymentKind.RETIRE,
        reason="r",
    )
    assert orphans(load_catalog(), ledger) == ()


def test_predict_asks_for_rows_of_the_lake_not_of_the_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["predict", "flight_delay", "--partition", "2013-03-01"]) == 1
    assert "lake" in capsys.readouterr().err, "the source has this day, the lake does not yet"
