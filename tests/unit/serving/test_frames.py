"""Damage in a segment costs the frame it hit at most, in both formats, and is never taken for a torn tail."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from airloop.serving.log import frames
from airloop.serving.log.frames import FIRST_MAGIC, MAGIC, LogSegment, pack, read_segment

PAYLOADS = tuple(b'[{"id":"r%d","rows":[{"id":%d}]}]' % (number, number) for number in range(4))
Build = Callable[[Sequence[bytes]], bytes]


def checked(payloads: Sequence[bytes]) -> bytes:
    return MAGIC + b"".join(pack(one) for one in payloads)


def first(payloads: Sequence[bytes]) -> bytes:
    """A segment as the first release wrote it."""
    return FIRST_MAGIC + b"".join(
        struct.pack("<II", len(one), zlib.crc32(one)) + one for one in payloads
    )


FORMATS = pytest.mark.parametrize(
    ("build", "header", "length_at"), [(checked, 16, 4), (first, 8, 0)], ids=["checked", "first"]
)


def read(folder: Path, data: bytes) -> LogSegment:
    path = folder / "x.sealed"
    path.write_bytes(data)
    return read_segment(path)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@FORMATS
def test_a_sound_segment_is_read_whole(tmp_path: Path, build: Build, header: int, length_at: int):
    assert read(tmp_path, build(PAYLOADS)) == LogSegment(PAYLOADS, leading=4)


@FORMATS
@pytest.mark.parametrize("hit", range(4))
def test_no_flipped_bit_of_a_length_loses_a_row_or_looks_torn(
    tmp_path: Path, build: Build, header: int, length_at: int, hit: int
):
    whole = build(PAYLOADS)
    start = len(build(PAYLOADS[:hit])) + length_at
    for bit in range(start * 8, start * 8 + 32):
        found = read(tmp_path, flipped(whole, bit))
        assert found.frames == PAYLOADS, bit
        assert (found.torn, found.damaged, found.unread) == (False, True, 0), bit


@FORMATS
@pytest.mark.parametrize("hit", range(4))
def test_no_flipped_bit_of_a_payload_loses_another_frame(
    tmp_path: Path, build: Build, header: int, length_at: int, hit: int
):
    whole = build(PAYLOADS)
    start = len(build(PAYLOADS[:hit])) + header
    for bit in range(start * 8, (start + len(PAYLOADS[hit])) * 8):
        found = read(tmp_path, flipped(whole, bit))
        assert found.frames == PAYLOADS[:hit] + PAYLOADS[hit + 1 :], bit
        assert (found.torn, found.damaged) == (False, True), bit
        assert found.unread == header + len(PAYLOADS[hit])


@FORMATS
def test_no_flipped_bit_anywhere_is_taken_for_a_torn_tail(
    tmp_path: Path, build: Build, header: int, length_at: int
):
    whole = build(PAYLOADS)
    for bit in range(len(whole) * 8):
        found = read(tmp_path, flipped(whole, bit))
        assert found.damaged, bit
        assert not found.torn, bit
        assert len(found.frames) >= len(PAYLOADS) - 1, bit


@FORMATS
def test_a_tail_torn_at_any_byte_loses_nothing_but_itself(
    tmp_path: Path, build: Build, header: int, length_at: int
):
    whole, before = build(PAYLOADS), build(PAYLOADS[:3])
    for size in range(len(before) + 1, len(whole)):
        found = read(tmp_path, whole[:size])
        assert found == LogSegment(PAYLOADS[:3], torn=True, leading=3), size


@FORMATS
@pytest.mark.parametrize("tail", [bytes(4_096), b"scribble", b"scribble" * 9])
def test_a_tail_that_is_not_proven_torn_is_damage(
    tmp_path: Path, build: Build, header: int, length_at: int, tail: bytes
):
    found = read(tmp_path, build(PAYLOADS) + tail)
    assert found == LogSegment(PAYLOADS, damaged=True, unread=len(tail), leading=4)


@FORMATS
def test_a_hole_of_several_frames_costs_those_frames(
    tmp_path: Path, build: Build, header: int, length_at: int
):
    whole = build(PAYLOADS)
    hole = slice(len(build(PAYLOADS[:1])) + 3, len(build(PAYLOADS[:2])) + 9)
    data = whole[: hole.start] + bytes(hole.stop - hole.start) + whole[hole.stop :]
    found = read(tmp_path, data)
    assert found.frames == (PAYLOADS[0], PAYLOADS[3])
    assert (found.leading, found.damaged) == (1, True)


@pytest.mark.parametrize("data", [b"", MAGIC[:7], FIRST_MAGIC[:-1]])
def test_a_segment_without_its_first_line_is_torn(tmp_path: Path, data: bytes):
    assert read(tmp_path, data) == LogSegment((), torn=True)


def test_a_file_that_is_no_segment_is_damaged(tmp_path: Path):
    data = b"something else entirely"
    assert read(tmp_path, data) == LogSegment((), damaged=True, unread=len(data))


@FORMATS
def test_a_broken_first_line_costs_no_frame(
    tmp_path: Path, build: Build, header: int, length_at: int
):
    found = read(tmp_path, b"garbage" + build(PAYLOADS)[7:])
    assert found == LogSegment(PAYLOADS, damaged=True, leading=0)


def test_control_without_the_headers_checksum_a_length_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Why the header has one: without it, a longer length at the end reads as a torn tail."""
    whole = checked(PAYLOADS)
    bit = (len(checked(PAYLOADS[:3])) + 4) * 8 + 12
    monkeypatch.setattr(frames._Checked, "salvage", lambda *_: None)
    assert read(tmp_path, flipped(whole, bit)).damaged
    monkeypatch.setattr(
        frames._Checked,
        "_announced",
        lambda _, data, at: (
            struct.unpack_from("<4sII", data, at)[1:] if len(data) > at + 16 else None
        ),
    )
    assert read(tmp_path, flipped(whole, bit)).torn
