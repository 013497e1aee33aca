from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airloop.accounting.host import HostUse, own_cgroup

BURN = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"


def test_the_time_of_children_counts_while_they_run_and_once_they_have_ended() -> None:
    host = HostUse()
    before = host.read().cpu_seconds
    child = subprocess.Popen([sys.executable, "-c", BURN + "print(flush=True)\ninput()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    running = host.read()
    assert running.cpu_seconds - before >= 0.3  # of 0.5: the kernel counts in hundredths
    assert child.pid in running.pids
    child.communicate(b"\n", timeout=60)
    ended = host.read()
    assert ended.cpu_seconds >= running.cpu_seconds
    assert child.pid not in ended.pids


def test_the_peak_stays_when_the_memory_is_given_back() -> None:
    host = HostUse()
    block = bytearray(b"x") * (200 << 20)
    high = host.read().peak_bytes
    del block
    assert high >= 200 << 20
    assert host.read().peak_bytes >= high


def test_a_container_of_its_own_is_counted_by_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 9000000000\nuser_usec 1\n")
    (tmp_path / "memory.peak").write_text(f"{1 << 50}\n")
    reading = HostUse(tmp_path).read()
    assert (reading.cpu_seconds, reading.peak_bytes) == (9000.0, 1 << 50)


def test_a_process_beside_others_is_no_container() -> None:
    assert own_cgroup() is None
