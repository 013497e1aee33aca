"""The compactor: every model's log into the lake, again and again, and a last time when it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from airloop.errors import UnreachableError
from airloop.serving.log import compaction, compactor
from airloop.settings import Settings
from tests.support.checkout import ROOT


class Models:
    """A catalog of two models."""

    def model_names(self) -> tuple[str, ...]:
        return ("one", "two")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    return Settings()


def test_a_model_that_cannot_be_compacted_does_not_keep_the_others_from_it(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    done = []

    def compact(_: Settings, model: str) -> None:
        if model == "one":
            raise UnreachableError("the lake does not answer")
        done.append(model)

    models: Any = Models()
    assert compactor.compact_all(settings, models, compact) is False
    assert done == ["two"]
    assert "the predictions of one stay in the log" in caplog.text


def test_it_compacts_again_and_again_and_once_more_at_its_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    ending = threading.Event()

    def compact(_: Settings, model: str) -> None:
        done.append(model)
        if len(done) == 4:
            ending.set()

    monkeypatch.setattr(compaction, "compact", compact)
    models: Any = Models()
    assert compactor.repeat(settings, models, 0.01, ending) is True
    assert done == ["one", "two"] * 3


def test_sigterm_ends_it_after_a_last_compaction(tmp_path: Path) -> None:
    ready = "import airloop.serving.log.compactor as c; r = c.repeat; c.repeat = lambda *a: (print('up', flush=True), r(*a))[1]; raise SystemExit(c.main(['--every', '3600']))"
    env = {**os.environ, "AIRLOOP_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ready], cwd=ROOT, env=env, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) == 0


@pytest.mark.parametrize("text", ["0", "nan", "1e9"])
def test_an_interval_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        compactor.main(["--every", text])
    assert ended.value.code == 2
