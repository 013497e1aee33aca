"""The command line's contract: one line on stderr, exit code 2 for the user's mistake and 1 for ours."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.main

from airloop.cli import main
from airloop.cli.commands import loop
from airloop.contracts import ArtifactRef, Deployment
from airloop.delivery import delivery
from airloop.settings import load_settings


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
        (["decisions", "--limit", "0"], "--limit"),
        (["rollback"], "MODEL"),
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


def test_no_decision_yet_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["decisions"]) == 0
    assert "nothing was decided yet" in capsys.readouterr().out


def test_a_stack_that_does_not_run_is_stopped_not_crashed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["status"]) == 0
    assert "stopped" in capsys.readouterr().out
    assert main.run(["down"]) == 0
    assert "nothing was running" in capsys.readouterr().out


def test_every_commands_help_has_an_example() -> None:
    commands = typer.main.get_command(main.app).commands  # type: ignore[attr-defined]
    assert set(commands) == {
        "up", "down", "status", "demo", "check", "trigger", "predict", "rollback", "decisions",
        "costs", "predictions", "ledger", "new", "eject", "upgrade",
    }  # fmt: skip
    groups = {name: commands.pop(name).commands for name in ("ledger",)}
    commands |= {f"{group} {name}": one for group, of in groups.items() for name, one in of.items()}
    for name, command in commands.items():
        assert f"Example: airloop {name}" in (command.epilog or ""), name


@pytest.mark.parametrize(("words", "version"), [([], None), (["--to", "3"], 3)])
def test_a_rollback_names_the_version_it_goes_back_to(
    words: list[str], version: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def rollback(*_: object, to_version: int | None) -> Deployment:
        asked.append(to_version)
        artifact = ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64)
        return Deployment(
            model="flight_delay",
            sequence=5,
            version=3,
            previous=4,
            artifact=artifact,
            kind="rollback",
            reason="",
            at=datetime.now(UTC),
        )

    monkeypatch.setattr(delivery, "rollback", rollback)
    assert main.run(["rollback", "flight_delay", *words]) == 0
    assert asked == [version]
