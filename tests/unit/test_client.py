"""The client of who calls the service from Python, against a real server that answers by a script."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airloop import client as under_test
from airloop.client import AsyncClient, Client, Predictions
from airloop.errors import RequestError, UnreachableError

BUSY = (503, {"error": "the service is stopping", "request_id": "r"})
WRONG = (
    422,
    {
        "error": "rows.0.x: no number",
        "request_id": "r",
        "details": [{"loc": ["rows", 0, "x"], "msg": "no number", "type": "float"}],
    },
)


class Script:
    """A server: of each request what comes next in the script, and what it was sent."""

    def __init__(self) -> None:
        self.says: list[tuple[int, Any] | None] = []
        self.seen: list[tuple[dict[str, str], Any]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                script.seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
                said = script.says.pop(0) if script.says else script.right(body)
                if said is None:  # the connection breaks off
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                content = json.dumps(said[1]).encode()
                self.send_response(said[0])
                self.send_header("content-length", str(len(content)))
                if said[0] == 503:
                    self.send_header("retry-after", "1")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing: the test sees what was sent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def right(self, body: Any) -> tuple[int, Any]:
        numbers = [row["x"] for row in body["rows"]]
        return 200, {"model": "m", "version": 3, "request_id": "r", "predictions": numbers}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    # Pauses are as they would be, a hundred times shorter.
    whole = under_test._pause
    monkeypatch.setattr(under_test, "_pause", lambda state: whole(state) / 100)
    with closing(Script()) as made:
        yield made


def rows(count: int) -> list[dict[str, Any]]:
    return [{"x": float(number), "day": date(2024, 5, 1)} for number in range(count)]


def ask(script: Script, count: int, kind: str, **how: Any) -> Predictions:
    """By either client."""
    named = {"request_id": how.pop("request_id", None)}
    if kind == "threads":
        with Client(script.url, "a-token", **how) as client:
            return client.predict("m", rows(count), **named)

    async def main() -> Predictions:
        async with AsyncClient(script.url, "a-token", **how) as client:
            return await client.predict("m", rows(count), **named)

    return asyncio.run(main())


KINDS = pytest.mark.parametrize("kind", ["threads", "asyncio"])


@KINDS
def test_rows_are_sent_some_at_a_time_and_answered_in_their_order(
    script: Script, kind: str
) -> None:
    found = ask(script, 25, kind, batch_rows=10, request_id="mine")
    assert found.predictions == tuple(float(number) for number in range(25))
    assert (found.versions, found.logged) == ((3,), True)
    assert {headers["x-request-id"] for headers, _ in script.seen} == {"mine-0", "mine-1", "mine-2"}
    assert {headers["authorization"] for headers, _ in script.seen} == {"Bearer a-token"}
    assert script.seen[0][1]["rows"][0]["day"] == "2024-05-01"


@KINDS
@pytest.mark.parametrize("first", [BUSY, None, (502, "a proxy's page")])
def test_what_may_be_answered_later_is_asked_again_by_the_same_name(
    script: Script, kind: str, first: tuple[int, Any] | None
) -> None:
    script.says = [first, first]
    assert ask(script, 2, kind).predictions == (0.0, 1.0)
    assert len(script.seen) == 3
    assert len({headers["x-request-id"] for headers, _ in script.seen}) == 1


@KINDS
def test_after_all_attempts_it_says_that_nothing_answers(script: Script, kind: str) -> None:
    script.says = [BUSY] * 9
    with pytest.raises(UnreachableError, match="the service is stopping"):
        ask(script, 1, kind, attempts=3)
    assert len(script.seen) == 3


@KINDS
def test_a_refusal_is_told_at_once_with_what_is_wrong(script: Script, kind: str) -> None:
    script.says = [WRONG]
    with pytest.raises(RequestError, match=r"422: rows.0.x: no number") as told:
        ask(script, 1, kind)
    assert told.value.value == "rows.0.x: no number"
    assert len(script.seen) == 1


def test_nobody_there_is_unreachable(script: Script) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with (
            Client(f"http://127.0.0.1:{free.getsockname()[1]}", attempts=2) as client,
            pytest.raises(UnreachableError, match="does not answer: ConnectError"),
        ):
            client.predict("m", rows(1))


def test_the_service_says_how_long_to_wait(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    before = under_test._pause
    monkeypatch.setattr(under_test, "_pause", lambda state: pauses.append(before(state)) or 0.0)
    script.says = [BUSY, (503, "no JSON")]
    ask(script, 1, "threads")
    # A second, of which the fixture takes a hundredth; then both of the server's.
    assert pauses == [0.01, 0.01]


def test_a_token_that_is_exchanged_is_read_anew(script: Script, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    with Client(script.url, token) as client:
        client.predict("m", rows(1))
        token.write_text("new\n")
        client.predict("m", rows(1))
    assert [headers["authorization"] for headers, _ in script.seen] == ["Bearer old", "Bearer new"]


@KINDS
def test_no_rows_are_no_question(script: Script, kind: str) -> None:
    with pytest.raises(RequestError, match="no rows to ask about"):
        ask(script, 0, kind)
    assert script.seen == []
