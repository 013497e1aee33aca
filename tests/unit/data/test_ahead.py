"""Files are read several at once, in order, and no more of them than memory is to hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from airloop.data.lake import ahead as module
from airloop.data.lake.ahead import AT_ONCE, BYTES, ahead
from airloop.data.lake.tables import File
from airloop.errors import DamagedError


def files(count: int, size: int) -> list[File]:
    return [File(f"{number:04}", "k", 1, size, None) for number in range(count)]


def content(file: File) -> pa.Buffer:
    return pa.py_buffer(file.path.encode())


def test_they_come_in_their_order_whichever_was_read_first() -> None:
    later = threading.Event()

    def read(file: File) -> pa.Buffer:
        if file.path == "0000":
            assert later.wait(30), "none was read beside the first"
        later.set()
        return content(file)

    wanted = files(100, 1)
    found = list(ahead(wanted, read))
    assert [file for file, _ in found] == wanted
    assert all(bytes(read) == file.path.encode() for file, read in found)


def test_as_many_are_read_at_once_as_are_told() -> None:
    together = threading.Barrier(AT_ONCE, timeout=30)

    def read(file: File) -> pa.Buffer:
        together.wait()
        return content(file)

    assert len(list(ahead(files(2 * AT_ONCE, 1), read))) == 2 * AT_ONCE


@pytest.mark.parametrize(("size", "most"), [(BYTES // 4, 4), (BYTES // 3, 3), (2 * BYTES, 2)])
def test_so_many_bytes_are_held_and_one_large_file_beside_the_one_in_use(
    size: int, most: int
) -> None:
    lock, begun, used, held = threading.Lock(), 0, 0, list[int]()

    def read(file: File) -> pa.Buffer:
        nonlocal begun
        with lock:
            begun += 1
            held.append(begun - used)
        return content(file)

    for _ in ahead(files(12, size), read):
        used += 1
    # What is in use when the next is begun counts as used from here on.
    assert max(held) <= most
    assert begun == 12


def test_a_damaged_file_ends_the_reading_at_its_place_and_leaves_no_thread() -> None:
    def read(file: File) -> pa.Buffer:
        if file.path == "0003":
            raise DamagedError("a file of the lake is damaged", value=file.path)
        return content(file)

    found = ahead(files(200, 1), read)
    assert [next(found)[0].path for _ in range(3)] == ["0000", "0001", "0002"]
    with pytest.raises(DamagedError, match="0003"):
        next(found)
    assert not _threads()


def test_a_reader_that_has_enough_leaves_the_rest_unread() -> None:
    read: list[str] = []

    def one(file: File) -> pa.Buffer:
        read.append(file.path)
        return content(file)

    found: Iterator[tuple[File, pa.Buffer]] = ahead(files(500, 1), one)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(read) <= 2 * AT_ONCE
    assert not _threads()


def _threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("lake-ahead")]


def test_none_is_read_where_there_is_none() -> None:
    assert list(module.ahead([], content)) == []
