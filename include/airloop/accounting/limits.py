"""What bounds the memory of a step, and how it is known that a step ended by it: that is never tried again at the same size."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from airloop.errors import MemoryLimitError

#: Where a container sees its own control group.
CGROUP: Final = Path("/sys/fs/cgroup")
#: How libraries say that an allocation failed, in an error's text or in their last words.
_SAID: Final = re.compile(
    r"std::bad_alloc|bad allocation|memory allocation of \d+ bytes failed|Cannot allocate memory"
    r"|\b(Arrow)?MemoryError\b|\b(re)?alloc of size \d+ failed|DefaultCPUAllocator"
)
#: Of a step that left no note its last lines tell.
LAST_LINES: Final = 20
#: What a step may be given less of.
_LESS: Final = {
    "ingest": "make the partitions smaller, or a sql source's batch_rows",
    "recheck": "make the partitions smaller, or a sql source's batch_rows",
    "train": "lower training.window, or set training.stream with a trainer that can, such as lightgbm or torch",
    "evaluate": "lower training.holdout",
    "monitor": "lower monitoring.window",
    "score": "make the partitions smaller",
}
_SIGKILL, _SHELL_SIGKILL = -9, 137


def exhausted(error: BaseException, step: str) -> MemoryLimitError | None:
    """What is told of an error behind which stands an allocation that failed; None of another."""
    if isinstance(error, MemoryLimitError):
        return error
    for one in _causes(error):
        if isinstance(one, MemoryError) or (
            not isinstance(one, SystemExit) and (_SAID.search(str(one)) or _no_stack(one))
        ):
            return _told(
                step, f"{type(one).__name__}: {str(one).strip() or 'no more is to be had'}"
            )
    return None


def ended(step: str, code: int | None, lines: Iterable[str], kills: int) -> MemoryLimitError | None:
    """What is told of a step that left no note; None where nothing says that it was its memory.

    :param code: of its process; negative for a signal
    :param lines: its last ones
    :param kills: processes beside it that the kernel has killed for memory since it began
    """
    if not code:
        return None
    if kills > 0 and code in (_SIGKILL, _SHELL_SIGKILL):
        return _told(step, "the kernel killed it")
    said = next((line.strip() for line in lines if _SAID.search(line)), None)
    return None if said is None else _told(step, said[:200])


def kills() -> int:
    """How many processes the kernel has killed for memory: of this control group, else of the machine."""
    for folder in _cgroups():
        if (found := _counter(folder / "memory.events")) is not None:
            return found
    return _counter(Path("/proc/vmstat")) or 0


def check_room(step: str, size: int, what: str) -> None:
    """Refuse what cannot fit, before it begins.

    :param size: in bytes, what it takes at the least
    :param what: in words
    :raises MemoryLimitError: if that is more than there may be
    """
    bounds = _bounds()
    if bounds and size > min(bounds)[0]:
        raise _told(step, f"{what} take {size / (1 << 20):,.0f} MiB at least")


def limit() -> str:
    """The narrowest bound on this process's memory, in words: its figure, and where it is set."""
    bounds = _bounds()
    if not bounds:
        return "a limit that this system does not tell"
    size, where = min(bounds)
    return f"{size / (1 << 20):,.0f} MiB {where}"


def _bounds() -> list[tuple[int, str]]:
    """All bounds in bytes, each with where it is set."""
    total = next(_numbers(Path("/proc/meminfo"), "MemTotal:"), 0) * 1024
    bounds = [(total, "all that the machine has")] if total else []
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        bounds.append((space, "of address space, by `ulimit -v`"))
    for folder in _cgroups():
        path = folder / "memory.max"
        text = path.read_text(encoding="ascii").strip() if path.is_file() else ""
        if text.isdigit():
            bounds.append((int(text), f"by {path}, the memory of its container or unit"))
    return bounds


def _no_stack(error: BaseException) -> bool:
    """Whether a thread was not to be had for lack of address space; without such a bound it is that of threads."""
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    return space != resource.RLIM_INFINITY and str(error) == "can't start new thread"


def allocators() -> dict[str, str]:
    """What keeps allocators from reserving address space that they do not use, for a process of which that is bounded.

    glibc reserves 64 MiB for each of eight arenas a core, Arrow's mimalloc 1 GiB at once: of a bound of 4 GiB that is half.
    """
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space == resource.RLIM_INFINITY:
        return {}
    # The latter in KiB.
    return {"MALLOC_ARENA_MAX": "2", "MIMALLOC_ARENA_RESERVE": "131072"}


def _told(step: str, why: str) -> MemoryLimitError:
    less = _LESS.get(step, "give it less at a time")
    return MemoryLimitError(
        f"step {step} needs more memory than it may have: {limit()}",
        value=why,
        remedy=f"raise that limit (of a pod: resources.memory), or {less}; trying again at the same size cannot help",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__


def _cgroups() -> Iterator[Path]:
    """The control groups that this process is in, its own first."""
    try:
        told = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    path = next((line.removeprefix("0::/") for line in told if line.startswith("0::/")), None)
    if path is not None:
        own = CGROUP / path
        yield from (one for one in (own, *own.parents) if one.is_relative_to(CGROUP))


def _counter(path: Path) -> int | None:
    return next(_numbers(path, "oom_kill"), None)


def _numbers(path: Path, name: str) -> Iterator[int]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return
    yield from (int(line.split()[1]) for line in lines if line.split()[:1] == [name])
