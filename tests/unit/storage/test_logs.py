"""A log is turned over under its writer, and what is old goes; what a daemon writes now stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from airloop.storage.logs import remove_older, turn_over


def test_a_large_log_is_turned_over_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "scheduler.log"
    code = "import sys\nfor line in sys.stdin: print(line * 100, flush=True); print('ok', file=sys.stderr)"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "-uc", code],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as writer,
    ):
        assert writer.stdin is not None
        assert writer.stderr is not None
        for word in ("first", "second", "third"):
            writer.stdin.write(f"{word}\n")
            writer.stdin.flush()
            assert writer.stderr.readline() == "ok\n"
            assert turn_over(tmp_path, max_bytes=100, kept=2) == (log,)
        writer.stdin.close()
    assert log.read_bytes() == b""
    assert "third" in (tmp_path / "scheduler.log.1").read_text()
    assert "second" in (tmp_path / "scheduler.log.2").read_text()
    assert len(list(tmp_path.iterdir())) == 3, "the first is gone: two are kept"
    assert b"\0" not in (tmp_path / "scheduler.log.1").read_bytes(), "no hole where it was emptied"


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.log").write_text("short")
    assert turn_over(tmp_path) == ()
    assert turn_over(tmp_path / "no such folder") == ()


def test_what_is_older_goes_and_what_a_daemon_writes_stays(tmp_path: Path) -> None:
    stack, airflow = tmp_path / "logs", tmp_path / "airflow"
    old = [stack / "mlflow.log.1", airflow / "dag_id=d" / "run_id=r" / "attempt=1.log"]
    kept = [stack / "mlflow.log", stack / "mlflow.log.2", airflow / "dag_id=d" / "attempt=2.log"]
    for path in (*old, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")
    for path in (*old, stack / "mlflow.log"):
        os.utime(path, (1_000, 1_000))
    assert remove_older((stack, airflow), before=2_000) == (2, 10)
    assert all(path.exists() for path in kept)
    assert not (airflow / "dag_id=d" / "run_id=r").exists(), (
        "a folder with nothing left in it goes too"
    )
