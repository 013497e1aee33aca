"""An end by memory is told as that, with its figure; no other end is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from airloop.accounting import limits
from airloop.errors import DataError, MemoryLimitError, UnreachableError


def raised(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        RuntimeError("std::bad_alloc"),
        raised(UnreachableError("the lake cannot be used"), OSError(12, "Cannot allocate memory")),
        raised(DataError("the query failed"), MemoryError()),
    ],
)
def test_it_is_known_behind_whatever_was_raised(error: Exception) -> None:
    told = limits.exhausted(error, "train")
    assert isinstance(told, MemoryLimitError)
    assert "MiB" in told.what
    assert "training.window" in told.remedy


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no number"),
        SystemExit("std::bad_alloc"),
        UnreachableError("no answer"),
        KeyError(1),
    ],
)
def test_nothing_else_is_taken_for_it(error: BaseException) -> None:
    assert limits.exhausted(error, "train") is None


@pytest.mark.parametrize(
    ("code", "lines", "kills", "told"),
    [
        (-9, [], 1, True),
        (137, [], 2, True),
        (-9, [], 0, False),  # somebody else killed it
        (-15, [], 1, False),  # another process was killed for memory
        (-6, ["memory allocation of 8589934592 bytes failed"], 0, True),
        (1, ["Traceback (most recent call last):", "MemoryError"], 0, True),
        (1, ["ZeroDivisionError: a bug"], 0, False),
        (0, ["std::bad_alloc"], 1, False),
        (None, ["std::bad_alloc"], 1, False),
    ],
)
def test_a_step_without_a_note_is_judged_by_its_end(
    code: int | None, lines: list[str], kills: int, told: bool
) -> None:
    assert (limits.ended("score", code, lines, kills) is not None) is told


def test_the_kernels_count_is_of_this_group_or_else_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limits.kills() >= 0
    (tmp_path / "memory.events").write_text("low 0\noom 4\noom_kill 3\n")
    (tmp_path / "memory.max").write_text("268435456\n")
    monkeypatch.setattr(limits, "_cgroups", lambda: iter([tmp_path]))
    assert limits.kills() == 3
    assert limits.limit().startswith(f"256 MiB by {tmp_path}/memory.max")
    (tmp_path / "memory.max").write_text("max\n")
    assert "all that the machine has" in limits.limit()


def test_the_narrowest_limit_is_named() -> None:
    child = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); "
        "from airloop.accounting.limits import limit; print(limit())"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert done.stdout == "1,024 MiB of address space, by `ulimit -v`\n"


def test_where_address_space_is_bounded_allocators_reserve_little_of_it() -> None:
    assert limits.allocators() == {}
    child = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); "
        "from airloop.accounting import limits; print(limits.allocators()); "
        'print(limits.exhausted(RuntimeError("can\'t start new thread"), "score"))'
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    reserved, told = done.stdout.splitlines()
    assert "'MALLOC_ARENA_MAX': '2'" in reserved
    assert "MIMALLOC_ARENA_RESERVE" in reserved
    assert "1,024 MiB of address space" in told
    # Without such a bound it is the number of threads that is bounded.
    assert limits.exhausted(RuntimeError("can't start new thread"), "score") is None


def test_arrows_allocator_does_reserve_less() -> None:
    def space(**variables: str) -> int:
        child = (
            "import pyarrow; pyarrow.array([1]); print(open('/proc/self/statm').read().split()[0])"
        )
        done = subprocess.run(
            [sys.executable, "-c", child],
            capture_output=True, text=True, check=True, env={**os.environ, **variables},
        )  # fmt: skip
        return int(done.stdout) * 4096

    bounded = {"MALLOC_ARENA_MAX": "2", "MIMALLOC_ARENA_RESERVE": "131072"}
    assert space() - space(**bounded) > 700 << 20


def test_what_cannot_fit_is_refused_before_it_begins() -> None:
    limits.check_room("train", 1 << 20, "few rows")
    with pytest.raises(MemoryLimitError, match="many rows take 1,073,741,824 MiB at least") as told:
        limits.check_room("train", 1 << 50, "many rows")
    assert "training.stream" in str(told.value)
