"""Slow clients and crowds: none of them keeps the service from answering, its probes least of all."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from airloop.serving.http import connections, crowd, refusals
from airloop.serving.http.app import Application
from airloop.serving.http.connections import Connection
from airloop.serving.http.crowd import Crowd
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import Tokens
from tests.support.serving_fakes import GOOD_ROW, TOKEN, FakeLedger, FakeModel

#: How long a header may take in these tests; and the sweep that ends it.
SLOW = 0.6
MOST, OF_ONE = 60, 40
BODY = orjson.dumps({"rows": [GOOD_ROW]})
PREDICTION = (
    f"POST /predict HTTP/1.1\r\nhost: s\r\nauthorization: Bearer {TOKEN}\r\n"
    f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
).encode() + BODY


class World:
    """The service on a port of its own, with the bounds of these tests."""

    def __init__(self, port: int, model: FakeModel, known: Crowd) -> None:
        self.port, self.model, self.crowd = port, model, known
        self.url = f"http://127.0.0.1:{port}"

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10, (host, 0))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    known = Crowd(MOST, OF_ONE)
    monkeypatch.setattr(connections, "CROWD", known)
    monkeypatch.setattr(crowd, "HEADER_SECONDS", SLOW)
    monkeypatch.setattr(crowd, "END_SECONDS", SLOW, raising=False)
    monkeypatch.setattr(crowd, "_SWEEP_SECONDS", 0.1)
    ledger, model = FakeLedger(), FakeModel()
    ledger.deploy(1, model)
    slots = ledger.slots(tmp_path)
    application = Application(slots)
    known.gate = application.admission
    app = Middleware(application, Tokens(TOKEN))
    config = uvicorn.Config(app, port=0, log_config=None, http=Connection)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    world = World(server.servers[0].sockets[0].getsockname()[1], model, known)
    while httpx.get(f"{world.url}/readyz").status_code != 200:
        time.sleep(0.02)
    yield world
    server.should_exit = True
    thread.join()


def until(true: Callable[[], Any], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(true())


def read(one: socket.socket) -> bytes:
    """All that comes until the other side closes, or nothing more does."""
    one.settimeout(5)
    found = b""
    try:
        while part := one.recv(65536):
            found += part
    except OSError:
        pass
    return found


def test_a_crowd_of_half_sent_headers_keeps_no_probe_and_no_answer_waiting(world: World) -> None:
    with ExitStack() as stack:
        for number in range(600):
            one = stack.enter_context(world.connect(f"127.0.0.{1 + number % 4}"))
            one.sendall(b"GET /slots HTTP/1.1\r\nhost: s\r\nx-slow: ")
            if number % 200 == 199:
                began = time.monotonic()
                assert httpx.get(f"{world.url}/healthz").status_code == 200
                with world.connect() as asking:
                    asking.sendall(PREDICTION.replace(b"host", b"connection: close\r\nhost"))
                    assert read(asking).startswith(b"HTTP/1.1 200")
                assert time.monotonic() - began < 2
        assert len(world.crowd) <= MOST
        assert until(lambda: len(world.crowd) == 0)


def test_one_client_leaves_room_for_others(world: World) -> None:
    with ExitStack() as stack:
        others = stack.enter_context(world.connect("127.0.0.9"))
        for _ in range(MOST + OF_ONE):
            stack.enter_context(world.connect())
        assert until(lambda: len(world.crowd) <= OF_ONE + 1)
        others.sendall(b"GET /healthz HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n")
        assert read(others).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"GET /slots HTTP/1.1\r\nhost: s\r\nx-sl", b"HTTP/1.1 408"),
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: s\r\n\r\n", b"HTTP/1.1 200"),
        (b"POST /slots HTTP/1.1\r\nhost: s\r\ncontent-length: 9\r\n\r\n{", b"HTTP/1.1 401"),
    ],
    ids=[
        "half a header",
        "nothing",
        "blank lines",
        "idle after an answer",
        "half a body after 401",
    ],
)
def test_who_keeps_the_service_waiting_is_let_go(world: World, sent: bytes, told: bytes) -> None:
    with world.connect() as one:
        one.sendall(sent)
        began = time.monotonic()
        answer = read(one)
        assert SLOW - 0.1 < time.monotonic() - began < SLOW + 3
    assert answer.startswith(told)
    assert bool(answer) is bool(told)


@pytest.mark.parametrize(
    "header",
    [b"x: " + b"a" * 40_000, b"x: " + b"a" * 1_000_000, b"x: y\r\n" * 101, b"x" * 1_000_000],
    ids=["a large value", "a megabyte", "many lines", "a name without end"],
)
def test_a_header_that_is_too_large_is_431(world: World, header: bytes) -> None:
    with world.connect() as one:
        with suppress(OSError):  # it is refused while it is sent
            one.sendall(b"GET /healthz HTTP/1.1\r\nhost: s\r\n" + header + b"\r\n\r\n")
        answer = read(one)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert httpx.get(f"{world.url}/healthz").status_code == 200


def test_a_large_header_in_one_piece_is_told_why(world: World) -> None:
    with world.connect() as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nhost: s\r\n" + b"x: y\r\n" * 101 + b"\r\n")
        status, _, rest = read(one).partition(b"\r\n")
    assert b"431" in status
    body = orjson.loads(rest.partition(b"\r\n\r\n")[2])
    assert "header is larger" in body["error"]
    assert body["request_id"]


@pytest.mark.parametrize("token", ["wrong", TOKEN], ids=["401", "503"])
def test_the_rest_of_an_answered_requests_body_is_no_header(world: World, token: str) -> None:
    admission = world.crowd.gate(b"/predict")
    assert admission is not None
    admission.ceiling = 256 if token == "wrong" else 0
    length = 10 * connections.HEADER_BYTES
    with world.connect() as one:
        one.settimeout(5)
        head = PREDICTION.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        head = head.replace(str(len(BODY)).encode(), str(length).encode())
        one.sendall(head.replace(TOKEN.encode(), token.encode()))
        assert one.recv(65536).startswith(b"HTTP/1.1 401" if token == "wrong" else b"HTTP/1.1 503")
        for _ in range(10):
            one.sendall(b" " * connections.HEADER_BYTES)
            time.sleep(0.01)
        one.sendall(b"GET /healthz HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n")
        assert read(one).startswith(b"HTTP/1.1 200")


CHUNKED = PREDICTION.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize("token", [TOKEN, "wrong"])
@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (CHUNK + b"0\r\n", b"x: y\r\n" * 5000),
        (CHUNK + b"0\r\nx: ", b"y" * 30_000),
        (b"", b"1;" + b"x" * 30_000 + b"\r\n \r\n"),
    ],
    ids=["trailers", "one trailer", "a chunk's extension"],
)
def test_what_comes_around_a_body_is_bounded(
    world: World, token: str, begun: bytes, more: bytes
) -> None:
    """Nobody keeps a connection busy, nor a line of it in memory, by what is neither header nor body."""
    with world.connect() as one:
        one.sendall(CHUNKED.replace(TOKEN.encode(), token.encode()) + begun)
        sent = 0
        with suppress(OSError):
            while sent < 10_000_000:
                sent += one.send(more)
    assert sent < 10_000_000
    assert until(lambda: len(world.crowd) == 0)
    assert httpx.get(f"{world.url}/healthz").status_code == 200


def test_a_body_in_the_smallest_of_chunks_is_a_body_and_its_trailers_are_no_headers(
    world: World,
) -> None:
    body = BODY.ljust(50_000)
    pieces = [b"1\r\n%c\r\n" % byte for byte in body]
    with world.connect() as one:
        one.settimeout(10)
        one.sendall(CHUNKED.replace(b"host", b"x-request-id: mine\r\nhost"))
        for start in range(0, len(pieces), 1000):
            one.sendall(b"".join(pieces[start : start + 1000]))
        one.sendall(b"0\r\nx-request-id: trailing\r\n\r\n")
        answer = one.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"trailing" not in answer


def test_a_trailer_is_no_token(world: World) -> None:
    head = CHUNKED.replace(b"authorization: Bearer " + TOKEN.encode() + b"\r\n", b"")
    trailer = b"authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    with world.connect() as one:
        one.settimeout(10)
        one.sendall(head + CHUNK + b"0\r\n" + trailer)
        assert one.recv(65536).startswith(b"HTTP/1.1 401")


def test_who_never_reads_the_last_answer_holds_no_descriptor(world: World) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.bind(("127.0.0.5", 0))  # told from the fixture's own, which may not have left yet
        one.connect(("127.0.0.1", world.port))
        assert until(lambda: "127.0.0.5" in world.crowd._of)
        transport = next(iter(world.crowd._of["127.0.0.5"])).transport
        held = transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while not transport.get_write_buffer_size():
            one.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: s\r\n\r\n")
            time.sleep(0.02)
        one.sendall(b"G")
        counted_and_closed: set[tuple[bool, bool]] = set()

        def gone() -> bool:
            counted_and_closed.add(("127.0.0.5" in world.crowd._of, held.fileno() == -1))
            return held.fileno() == -1

        assert until(gone, 30)
        assert (False, False) not in counted_and_closed, "who holds a descriptor counts"
        assert until(lambda: len(world.crowd) == 0)


def test_the_second_of_two_requests_in_one_piece_is_not_idle_while_it_is_answered(
    world: World,
) -> None:
    release = threading.Event()
    # The first is answered at once.
    world.model.before = lambda: release.wait(10)  # type: ignore[assignment,return-value]
    with world.connect() as one:
        first = b"GET /healthz HTTP/1.1\r\nhost: s\r\n\r\n"
        one.sendall(first + PREDICTION.replace(b"host", b"connection: close\r\nhost"))
        time.sleep(SLOW + 0.5)
        release.set()
        assert read(one).count(b"HTTP/1.1 200") == 2


def test_who_is_being_answered_is_never_let_go_for_others(world: World) -> None:
    release = threading.Event()
    world.model.before = lambda: release.wait(10)  # type: ignore[assignment,return-value]
    with world.connect("127.0.0.7") as asking, ExitStack() as stack:
        asking.sendall(PREDICTION.replace(b"host", b"connection: close\r\nhost"))
        for number in range(3 * MOST):
            stack.enter_context(world.connect(f"127.0.0.{1 + number % 4}"))
        time.sleep(SLOW)
        release.set()
        assert read(asking).startswith(b"HTTP/1.1 200")


def test_what_cannot_be_answered_in_time_is_503_at_once_and_the_connection_lives_on(
    world: World,
) -> None:
    admission = world.crowd.gate(b"/predict")
    assert admission is not None
    release = threading.Event()
    world.model.before = lambda: release.wait(10)  # type: ignore[assignment,return-value]
    headers = {"authorization": f"Bearer {TOKEN}", "x-request-id": "mine"}
    admission.ceiling = 1
    with world.connect() as first, httpx.Client(base_url=world.url, headers=headers) as http:
        first.sendall(PREDICTION.replace(b"host", b"connection: close\r\nhost"))
        assert until(lambda: admission.inflight == 1)
        for _ in range(3):
            began = time.monotonic()
            refused = http.post("/predict", json={"rows": [GOOD_ROW]})
            assert time.monotonic() - began < 1
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["request_id"] == refused.headers["x-request-id"] == "mine"
        assert http.get("/healthz").status_code == 200
        release.set()
        assert read(first).startswith(b"HTTP/1.1 200")
        assert http.post("/predict", json={"rows": [GOOD_ROW]}).status_code == 200
    assert until(lambda: admission.inflight == admission.promised == admission.bodies == 0)


def test_what_is_refused_without_being_parsed_is_told_and_its_connection_lives_on(
    world: World,
) -> None:
    admission = world.crowd.gate(b"/predict")
    assert admission is not None
    with world.connect() as one:
        one.settimeout(5)
        admission.ceiling = 0
        for sent in (
            PREDICTION,
            PREDICTION,
            PREDICTION.replace(b"host", b"x-request-id: me\r\nhost"),
        ):
            one.sendall(sent)
            refused = one.recv(65536)
            assert refused.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in refused
        one.sendall(PREDICTION[:-5])  # the body's end comes later
        time.sleep(0.02)
        one.sendall(PREDICTION[-5:])
        assert one.recv(65536).startswith(b"HTTP/1.1 503")
        admission.ceiling = 256
        one.sendall(PREDICTION)
        assert one.recv(65536).startswith(b"HTTP/1.1 200")
    assert until(lambda: len(world.crowd) == 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"content-length", b"transfer-encoding: chunked\r\ncontent-length"),
        (b"content-length", b"content-length: 3\r\ncontent-length"),
        (b"content-length", b"x-content-length"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"host", b"connection: close\r\nhost"),
        (b"host", b"expect: 100-continue\r\nhost"),
        (b"rows", b"rowss"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_only_a_plain_request_in_one_piece_is_refused_without_being_parsed(
    old: bytes, new: bytes
) -> None:
    assert refusals.is_whole(PREDICTION)
    assert not refusals.is_whole(PREDICTION.replace(old, new, 1))


def test_requests_sent_one_upon_the_other_are_answered_in_order(world: World) -> None:
    last = PREDICTION.replace(b"host", b"connection: close\r\nhost")
    with world.connect() as one:
        one.sendall(PREDICTION * 3 + last)
        answers = read(one)
    assert answers.count(b"HTTP/1.1 200") == 4
    admission = world.crowd.gate(b"/predict")
    assert admission is not None
    assert until(lambda: admission.inflight == admission.promised == 0)


def test_whoever_leaves_leaves_nothing_behind(world: World) -> None:
    admission = world.crowd.gate(b"/models/doubler/predict")
    assert admission is not None
    for _ in range(20):
        with world.connect() as one:
            one.sendall(PREDICTION[: len(PREDICTION) - 3])
    assert until(lambda: len(world.crowd) == 0)
    assert until(lambda: admission.inflight == admission.promised == admission.bodies == 0)


_PUT_IN_PLACE = """
import logging, resource
from airloop.serving.http.connections import put_in_place
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))
put_in_place(lambda target: None)
"""


@pytest.mark.parametrize(
    ("files", "most", "warned"), [(1024, 64, True), (4096, 1536, True), (6656, 4096, False)]
)
def test_a_service_that_may_open_too_few_files_says_so_at_its_start(
    files: int, most: int, warned: bool
) -> None:
    """In a process of its own: a limit that was lowered stays so."""
    code = _PUT_IN_PLACE.format(files=files)
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr
    assert f"INFO at most {most} connections" in said
    assert ("WARNING" in said) is warned
    assert (f"may open {files} files, of which 2560 are kept back" in said) is warned


#: A request within another's body, by one of two lengths.
_HIDDEN = PREDICTION.replace(b"host", b"x-request-id: hidden\r\nhost", 1)
_HEAD = PREDICTION.partition(b"content-length")[0]


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: %d\r\ntransfer-encoding: chunked" % (5 + len(_HIDDEN)),
        b"transfer-encoding: chunked\r\ncontent-length: %d" % (5 + len(_HIDDEN)),
        b"content-length: 5\r\ncontent-length: %d" % (5 + len(_HIDDEN)),
        b"transfer-encoding: identity, chunked\r\ncontent-length: %d" % (5 + len(_HIDDEN)),
        b"transfer-encoding : chunked\r\ncontent-length: %d" % (5 + len(_HIDDEN)),
    ],
)
def test_a_body_of_two_lengths_hides_no_request(world: World, head: bytes) -> None:
    """What stands before the service may count by the other: the next request would be one that it never saw."""
    with world.connect() as one:
        one.sendall(_HEAD + head + b"\r\n\r\n0\r\n\r\n" + _HIDDEN)
        one.settimeout(2)
        answers = b""
        with contextlib.suppress(TimeoutError):
            while more := one.recv(65536):
                answers += more
    assert b"hidden" not in answers, answers
    assert b" 200 " not in answers
    assert answers.startswith(b"HTTP/1.1 4"), answers
