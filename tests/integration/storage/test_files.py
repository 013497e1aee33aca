"""The seam that files go through behaves alike on a folder and on a bucket."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest

from airloop.errors import SpecError, UnreachableError
from airloop.storage import bucket as bucket_module
from airloop.storage.files import Files
from tests.support.checkout import ROOT
from tests.support.servers import S3Server, free_ports

ROUNDS = 20


def test_what_was_written_is_read_back_listed_and_removed(store: Any) -> None:
    files = store.files()
    assert files.read("a/b.json") is None
    assert files.entries("a") is None
    for content in (b"one", b"two\x00\xff", b""):
        files.write("a/b.json", content)
        assert store.files().read("a/b.json") == content
    files.write("a/c/d", b"")
    files.write("a/.hidden", b"")
    assert {(one.name, one.folder) for one in files.entries("a")} == {
        ("b.json", False),
        ("c", True),
    }
    files.remove("a/b.json")
    files.remove("a/b.json")
    assert files.read("a/b.json") is None


def test_a_file_is_created_once(store: Any) -> None:
    files = store.files()
    assert files.create("a/b", b"first")
    assert not files.create("a/b", b"second")
    assert files.read("a/b") == b"first"


def _create(uri: str, options: dict[str, str], mine: bytes, start: Barrier, won: Any) -> None:
    files = Files(uri, options)
    files.read("warm")
    for number in range(ROUNDS):
        start.wait()
        won[number] = files.create(f"race/{number}", mine)


def _race(store: Any, target: Any = _create) -> list[tuple[bool, bool, bytes | None]]:
    """Two processes create the same files at once; who won each, and what is there."""
    context = multiprocessing.get_context("spawn")
    start, wins = context.Barrier(2), [context.Array("b", ROUNDS) for _ in range(2)]
    racers = [
        context.Process(target=target, args=(store.uri, store.options, mine, start, won))
        for mine, won in zip((b"one", b"two"), wins, strict=True)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(100)
        assert racer.exitcode == 0
    files = store.files()
    return [(bool(wins[0][n]), bool(wins[1][n]), files.read(f"race/{n}")) for n in range(ROUNDS)]


def test_of_two_processes_that_create_one_file_one_wins(store: Any) -> None:
    for first, second, there in _race(store):
        assert first != second
        assert there == (b"one" if first else b"two")


def _look_then_write(
    uri: str, options: dict[str, str], mine: bytes, start: Barrier, won: Any
) -> None:
    files = Files(uri, options)
    files.read("warm")
    for number in range(ROUNDS):
        start.wait()
        absent = files.read(f"race/{number}") is None
        start.wait()
        if absent:
            files.write(f"race/{number}", mine)
        won[number] = absent


def test_control_without_the_conditional_put_both_win(store: Any) -> None:
    assert all(first and second for first, second, _ in _race(store, _look_then_write))


_UPLOAD = """
import sys
from airloop.storage.files import Files
files = Files(sys.argv[1])
files.write("small", b"1")
print("go", flush=True)
files.{act}("large", bytes(200_000_000))
print("done", flush=True)
"""


@pytest.mark.parametrize("act", ["write", "create"])
def test_a_writer_that_is_killed_in_the_middle_leaves_nothing(store: Any, act: str) -> None:
    env = os.environ | {name.upper(): value for name, value in store.options.items()}
    writer = subprocess.Popen(
        [sys.executable, "-c", _UPLOAD.format(act=act), store.uri],
        env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "go\n"
        time.sleep(0.02)
        writer.send_signal(signal.SIGKILL)
        assert writer.stdout.read() == "", "it was done before it was killed"
    files = store.files()
    assert files.read("large") is None
    assert [one.name for one in files.entries()] == ["small"]
    assert files.create("large", b"the next attempt")
    assert files.read("large") == b"the next attempt"


def test_wrong_credentials_are_a_permanent_error_that_does_not_show_them(bucket: Any) -> None:
    wrong = bucket.files({"aws_secret_access_key": "another-secret"})
    for act in (lambda: wrong.read("a"), lambda: wrong.create("a", b""), lambda: wrong.entries()):
        with pytest.raises(SpecError, match="refuses the credentials") as caught:
            act()
        assert "another-secret" not in str(caught.value)


def test_a_missing_bucket_is_told(s3: S3Server) -> None:
    key, secret = s3._admin
    admin = s3.options | {"aws_access_key_id": key, "aws_secret_access_key": secret}
    with pytest.raises(SpecError, match="no such bucket"):
        Files("s3://none-such/a", admin).read("b")


def test_a_server_that_is_gone_is_a_transient_error_within_seconds(bucket: Any) -> None:
    [port] = free_ports(1)
    gone = bucket.files({"aws_endpoint_url": f"http://127.0.0.1:{port}"})
    with pytest.raises(UnreachableError, match="cannot be used"):
        gone.write("a", b"")


def test_variables_of_the_environment_are_enough(
    s3: S3Server, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket_module._store.cache_clear()
    Files(bucket.uri).write("a", b"1")
    assert bucket.files().read("a") == b"1"
    bucket_module._store.cache_clear()
