"""CSV, read strictly: text as it stands there, record by record."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.csv as pv

from airloop.data.sources.records import blocks
from airloop.errors import DataError

log = logging.getLogger("airloop.ingest")

#: What stands for a missing value in a CSV file, unless ``options.null_values`` says otherwise.
NULL_VALUES: Final = ("", "NA", "NaN", "null", "NULL")
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_csv(
    file: IO[bytes], url: str, options: dict[str, Any], max_bytes: int
) -> Iterator[pa.Table]:
    """A file's rows as text, in batches.

    :raises DataError: if it is no such file, naming the line
    """
    checked = _CheckedBytes(file, url, max_bytes)
    buffered = io.BufferedReader(checked)
    delimiter = options.get("delimiter", ",")
    header = _header(buffered, url, delimiter)
    if not buffered.peek(1):
        yield pa.table({name: pa.array([], pa.string()) for name in header})
        return
    convert = pv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()),
        null_values=list(options.get("null_values", NULL_VALUES)),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    for block, line in blocks(buffered, url, delimiter, len(header)):
        yield _parsed(block, header, delimiter, convert, f"{url}, from line {line} on")
    if checked.last != b"\n":
        _told_cut(url, options)


def _parsed(
    block: bytes, header: list[str], delimiter: str, convert: pv.ConvertOptions, where: str
) -> pa.Table:
    try:
        return pv.read_csv(
            pa.BufferReader(block),
            read_options=pv.ReadOptions(
                use_threads=False, column_names=header, block_size=len(block) + 1
            ),
            parse_options=pv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=convert,
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"the file cannot be read: {_line(error)}", where=where) from error


def _header(file: IO[bytes], url: str, delimiter: str) -> list[str]:
    """Consume and check the first line: pyarrow itself would accept a name twice."""
    line = file.readline()
    if not line.strip():
        raise DataError("the partition is empty", where=url, remedy="the file has no header")
    names = line.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in names or names.count(b'"') % 2:
        raise DataError(
            "the header is not one line: it holds a carriage return, or a quote that is not closed",
            value=names[:80].decode(errors="replace"),
            where=url,
            remedy="end each line by LF or CRLF, and close its quotes",
        )
    try:
        found = pv.read_csv(
            io.BytesIO(line), parse_options=pv.ParseOptions(delimiter=delimiter)
        ).column_names
    except pa.ArrowInvalid as error:
        raise DataError(f"the file cannot be read: {_line(error)}", where=url) from error
    unique(found, url)
    return list(found)


def unique(names: list[str], url: str) -> None:
    """Refuse a name that two columns bear."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the header names {len(twice)} columns twice", value=twice, where=url)


def _told_cut(url: str, options: dict[str, Any]) -> None:
    """A file whose last line has no end may have been cut in its last cell; nothing else would show it."""
    what = "the file's last line has no end: it may have been cut there"
    if options.get("final_newline") == "require":
        raise DataError(what, where=url, remedy="deliver it whole, with a line's end")
    log.warning("%s (%s); options.final_newline: require refuses such a file", what, url)


def _line(error: pa.ArrowInvalid) -> str:
    return str(error).splitlines()[0]


class _CheckedBytes(io.RawIOBase):
    """A stream that lets through UTF-8 text of a bounded length and nothing else."""

    def __init__(self, file: IO[bytes], url: str, max_bytes: int) -> None:
        self._file, self._url, self._max, self._seen = file, url, max_bytes, 0
        #: The last byte that was read.
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        if self._seen == 0 and block.startswith(_BOMS):
            raise DataError(
                "the file starts with a byte order mark",
                where=self._url,
                remedy="write it as UTF-8 without one",
            )
        zero = block.find(b"\0")
        if zero >= 0:
            raise DataError(
                "the file holds a NUL byte: it is not text",
                where=f"{self._url}, byte {self._seen + zero}",
            )
        self._seen += len(block)
        if self._seen > self._max:
            raise too_large(self._max, self._url)
        self.last = block[-1:] or self.last
        buffer[: len(block)] = block
        return len(block)


def too_large(max_bytes: int, url: str) -> DataError:
    """What is said of a file beyond ``options.max_bytes``."""
    return DataError(
        f"the file is larger than {max_bytes} bytes",
        where=url,
        remedy="make the partitions smaller, or set source.options.max_bytes",
    )
