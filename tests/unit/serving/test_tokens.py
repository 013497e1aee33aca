"""The service's token is replaced while the service answers, and a file that is wrong lets nobody in and says so."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from airloop.cli import main
from airloop.errors import SpecError
from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import LOOK_SECONDS, Tokens
from airloop.settings import load_settings
from airloop.specs.sections.servers import ServingSettings
from airloop.specs.sections.tokens import read_tokens
from tests.support.serving_fakes import FakeLedger, FakeModel

OLD, NEW = "the-token-of-before", "the-newest-token"
WRONG = {
    "empty": ("", 0o600, "holds 0"),
    "blank lines": ("\n \n", 0o600, "holds 0"),
    "three": ("a\nb\nc\n", 0o600, "holds 3"),
    "words": ("my secret words\n", 0o600, "no token"),
    "open to all": (f"{OLD}\n", 0o644, "everybody on this machine"),
}


class Clock:
    """The time as the test has it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    put(path, f"{OLD}\n")
    return path


def put(path: Path, text: str, mode: int = 0o600) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)


def admits(tokens: Tokens, token: str) -> bool:
    return tokens.admits(f"Bearer {token}".encode())


def test_new_text_in_the_file_is_let_in_at_once_and_two_lines_let_both_in(file: Path) -> None:
    clock = Clock()
    tokens = Tokens(path=file, clock=clock)
    assert admits(tokens, OLD)
    put(file, f"{NEW}\n{OLD}\n")
    assert admits(tokens, NEW)
    assert admits(tokens, OLD)
    put(file, f"{NEW}\n")
    clock.now += LOOK_SECONDS
    assert not admits(tokens, OLD)
    assert admits(tokens, NEW)
    assert not admits(tokens, "")


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_clear_error_that_shows_no_token(file: Path, case: str) -> None:
    text, mode, says = WRONG[case]
    put(file, text, mode)
    with pytest.raises(SpecError, match=says) as caught:
        read_tokens(file)
    assert str(file) in str(caught.value)
    assert not any(word in str(caught.value) for word in (OLD, "secret words"))


@pytest.mark.parametrize("case", [*WRONG, "missing"])
def test_a_file_that_goes_wrong_lets_nobody_in_at_the_second_look_until_it_is_mended(
    file: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    tokens = Tokens(path=file, clock=clock)
    text, mode, says = WRONG.get(case, ("", 0, "missing"))
    if case == "missing":
        file.unlink()
    else:
        put(file, text, mode)
    clock.now += LOOK_SECONDS
    assert tokens.fault == ""  # a hand may be writing
    clock.now += LOOK_SECONDS
    assert says in tokens.fault
    assert not admits(tokens, OLD)
    assert not admits(tokens, "")
    put(file, f"{OLD}\n")
    assert admits(tokens, OLD)
    assert tokens.fault == ""
    assert OLD not in caplog.text


@pytest.mark.parametrize("case", [*WRONG, "missing"])
def test_a_service_that_nobody_can_enter_is_not_ready_and_says_why_in_its_log(
    tmp_path: Path, file: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    text, mode, says = WRONG.get(case, ("", 0o600, "missing"))
    put(file, text, mode)
    if case == "missing":
        file.unlink()
    with caplog.at_level(logging.ERROR, "airloop.serving"):
        tokens = Tokens.of(ServingSettings(token_file=file))
    assert "nobody can enter" in caplog.text
    assert str(file) in caplog.text

    async def scenario() -> httpx.Response:
        ledger = FakeLedger()
        ledger.deploy(1, FakeModel())
        slots = ledger.slots(tmp_path)
        await slots.refresh()
        app = Middleware(Application(slots, tokens=tokens), tokens)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://s") as http:
            ready = await http.get("/readyz")
            put(file, f"{NEW}\n")
            known = await http.get("/slots", headers={"authorization": f"Bearer {NEW}"})
            assert known.status_code == 200
            assert (await http.get("/readyz")).status_code == 200
        await slots.close()
        return ready

    ready = asyncio.run(scenario())
    assert ready.status_code == 503
    assert says in ready.json()["reason"]
    assert str(file) not in ready.text


def test_a_variables_token_lasts_as_long_as_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLOOP__SERVING__TOKEN", OLD)
    load_settings.cache_clear()
    tokens = Tokens.of(load_settings().serving)
    assert admits(tokens, OLD)
    assert Tokens().fault == "no token is set"
    assert main.run(["token", "rotate"]) == 2
    load_settings.cache_clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("AIRLOOP_HOME", str(folder))
    return folder


@pytest.fixture
def running(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A service on a port of its own that reads ``<home>/secrets/service_token``."""
    monkeypatch.delenv("AIRLOOP__SERVING__TOKEN", raising=False)
    load_settings.cache_clear()
    path = home / "secrets" / "service_token"
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, f"{OLD}\n")
    tokens = Tokens(path=path)
    ledger = FakeLedger()
    app = Middleware(Application(ledger.slots(tmp_path), tokens=tokens), tokens)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("AIRLOOP__SERVING__URL", f"http://127.0.0.1:{port}")
    load_settings.cache_clear()
    yield path
    server.should_exit = True
    thread.join()
    load_settings.cache_clear()


def test_a_rotation_is_taken_by_the_running_service_and_shows_no_token(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = load_settings().serving.url
    # Nobody keeps the service from answering whoever has the old one.
    assert main.run(["token", "rotate"]) == 0
    new, old = read_tokens(running)
    assert old == OLD
    assert new != OLD
    said = capsys.readouterr().out
    assert "the running service lets it in" in said
    assert not any(token in said for token in (new, old))
    for token in (new, old):
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/slots", headers=headers).status_code == 200
    assert main.run(["token", "retire"]) == 0
    assert read_tokens(running) == (new,)
    assert main.run(["token", "retire"]) == 0
    assert "nothing was done" in capsys.readouterr().out
    running.chmod(0o644)
    assert main.run(["token", "rotate", "--at-once"]) == 0
    assert len(read_tokens(running)) == 1
    assert "lets it in" in capsys.readouterr().out


def test_a_rotation_without_a_service_is_told_as_that(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRLOOP__SERVING__TOKEN", raising=False)
    monkeypatch.setenv("AIRLOOP__SERVING__URL", "http://127.0.0.1:1")
    load_settings.cache_clear()
    assert main.run(["token", "rotate"]) == 0
    assert len(read_tokens(home / "secrets" / "service_token")) == 1
    assert "no service answers" in capsys.readouterr().out
    load_settings.cache_clear()


def test_a_rotation_over_two_tokens_says_that_the_older_one_ends_and_keeps_link_and_mode(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRLOOP__SERVING__TOKEN", raising=False)
    monkeypatch.setenv("AIRLOOP__SERVING__URL", "http://127.0.0.1:1")
    load_settings.cache_clear()
    real, link = tmp_path / "real", home / "secrets" / "service_token"
    put(real, f"{OLD}\n", 0o640)
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert main.run(["token", "rotate"]) == 0
    assert "refused from now on" not in capsys.readouterr().out
    first = read_tokens(real)[0]
    assert main.run(["token", "rotate"]) == 0
    assert "the older one is refused from now on" in capsys.readouterr().out
    assert read_tokens(real)[1] == first
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    load_settings.cache_clear()
