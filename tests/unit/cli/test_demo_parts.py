"""The demo's parts that need no stack: mishaps, requests, counting, the report, the fresh start."""

from __future__ import annotations

import csv
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from airloop.demo.fresh import make_room
from airloop.demo.hands import stretch
from airloop.demo.report import DemoReport, StepReport
from airloop.demo.stage import ChapterError, expect
from airloop.demo.traffic import BackgroundLoad, Tally, batches, send
from airloop.demo.upstream import lose_column, lose_weather, spoil_rows
from airloop.devstack.layout import Layout
from airloop.errors import RequestError
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.specs.sections.servers import ServingSettings


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    for name, head in (
        ("flights", "year,month,day,origin,distance"),
        ("weather", "origin,year,month,day,hour,temp,wind_speed,time_hour"),
    ):
        (tmp_path / name).mkdir()
        row = ",".join("1" for _ in head.split(","))
        (tmp_path / name / "2013-01-05.csv").write_text("\n".join([head, *[row] * 100]) + "\n")
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_lost_column_is_lost_and_nothing_else(upstream: Path) -> None:
    lose_column(upstream, "2013-01-05", "distance")
    found = rows(upstream / "flights" / "2013-01-05.csv")
    assert len(found) == 100
    assert set(found[0]) == {"year", "month", "day", "origin"}


def test_as_many_rows_are_spoilt_as_said(upstream: Path) -> None:
    spoilt = spoil_rows(upstream, "2013-01-05", 0.02)
    found = rows(upstream / "flights" / "2013-01-05.csv")
    assert spoilt == 2
    assert sum(row["distance"] == "-1" for row in found) == spoilt


def test_lost_weather_keeps_its_hours(upstream: Path) -> None:
    lose_weather(upstream, "2013-01-05")
    found = rows(upstream / "weather" / "2013-01-05.csv")
    assert {(row["hour"], row["temp"], row["wind_speed"]) for row in found} == {("1", "", "")}


def test_requests_hold_every_row_once() -> None:
    given = [
        {"id": number, "origin": "JFK" if number % 2 else "EWR", "sched_dep_minute": number}
        for number in range(500)
    ]
    requests = list(batches(given, 8))
    assert sorted(row["id"] for request in requests for row in request) == list(range(500))
    assert max(len(request) for request in requests) == 8
    assert all(len({row["origin"] for row in request}) == 1 for request in requests)


class _Service(http.server.BaseHTTPRequestHandler):
    """Answers one request in five with an error, if told to."""

    protocol_version = "HTTP/1.1"
    fail_every = 0
    seen = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).seen += 1
        bad = self.fail_every and self.seen % self.fail_every == 0
        answer = json.dumps({"version": 3, "predictions": [0.5] * len(body["rows"])}).encode()
        self.send_response(503 if bad else 200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def service() -> Iterator[Settings]:
    _Service.fail_every = _Service.seen = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    yield Settings(serving=ServingSettings(url=url, token=SecretStr("t")))
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_request_is_counted_with_its_version(service: Settings) -> None:
    tally = Tally()
    send(service, "m", [[{"a": 1}]] * 40, tally)
    assert (tally.requests, tally.failed, dict(tally.versions)) == (40, 0, {3: 40})


def test_a_failed_request_is_counted_and_never_hidden(service: Settings) -> None:
    _Service.fail_every = 5
    tally = Tally()
    send(service, "m", [[{"a": 1}]] * 40, tally)
    assert (tally.requests, tally.failed) == (40, 8)
    assert "503" in tally.reasons[0]


def test_a_service_that_is_away_fails_every_request() -> None:
    tally = Tally()
    away = Settings(serving=ServingSettings(url="http://127.0.0.1:9", token=SecretStr("t")))
    send(away, "m", [[{"a": 1}]] * 4, tally)
    assert (tally.requests, tally.failed) == (4, 4)


def test_the_background_load_ends_with_its_block(service: Settings) -> None:
    tally = Tally()
    done = threading.Event()
    with BackgroundLoad(service, "m", [[{"a": 1}]], tally, rate=500):
        while tally.requests < 5:
            done.wait(0.01)
    after = tally.requests
    done.wait(0.1)
    assert tally.requests == after


def report(*, ok: bool = True, failed: int = 0) -> DemoReport:
    step = StepReport(name="history", ok=ok, seconds=1.0, figure="58 days")
    return DemoReport(
        steps=(step,),
        requests=10,
        failed_requests=failed,
        champion_before=1,
        champion_after=2,
        total_seconds=2.0,
    )


def test_the_report_has_the_promised_shape(tmp_path: Path) -> None:
    report().write(tmp_path / "demo-report.json")
    found = json.loads((tmp_path / "demo-report.json").read_text())
    assert set(found) == {
        "steps", "requests", "failed_requests", "champion_before", "champion_after", "total_seconds",
    }  # fmt: skip
    assert set(found["steps"][0]) == {"name", "ok", "seconds", "figure"}


def test_a_demo_is_well_only_if_all_of_it_is() -> None:
    assert report().ok
    assert not report(ok=False).ok
    assert not report(failed=1).ok


def test_an_expectation_says_what_was_expected() -> None:
    expect(1, "it holds")
    with pytest.raises(ChapterError, match="expected that the night is quiet; got 'drift'"):
        expect(0, "the night is quiet", value="drift")


def test_a_busy_machine_stretches_what_a_command_takes_and_an_idle_command_too() -> None:
    computes = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    waits = "import time; time.sleep(1)"
    assert stretch(sys.executable, "-c", computes) < stretch(sys.executable, "-c", waits)
    assert stretch(sys.executable, "-c", "") >= 1


def test_work_that_no_demo_made_is_not_touched(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    (tmp_path / "lake").mkdir()
    with pytest.raises(RequestError, match="--fresh"):
        make_room(layout, forced=False)
    assert (tmp_path / "lake").exists()


def test_a_home_that_was_only_brought_up_is_used_as_it_is(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert make_room(layout, forced=False) is None
    assert (tmp_path / "ledger.db").exists()
    (tmp_path / "demo").unlink()
    ledger.begin_attempt("ingest:flights:2013-01-01")
    with pytest.raises(RequestError, match="--fresh"):
        make_room(layout, forced=False)


def test_an_earlier_demo_is_moved_aside_whole(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert make_room(layout, forced=False) is None
    (tmp_path / "lake").mkdir()
    (tmp_path / "ledger.db").touch()
    (tmp_path / "secrets" / "service_token").write_text("kept")
    attic = make_room(layout, forced=False)
    assert attic is not None
    assert (attic / "lake").exists()
    assert (attic / "ledger.db").exists()
    assert not (tmp_path / "lake").exists()
    assert (tmp_path / "secrets" / "service_token").read_text() == "kept"
