"""CSV, read strictly: text as it stands there, record by record."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.csv as pv

from airloop.data.sources.checked import CheckedBytes
from airloop.data.sources.records import blocks
from airloop.errors import DataError

#: What stands for a missing value in a CSV file, unless ``options.null_values`` says otherwise.
NULL_VALUES: Final = ("", "NA", "NaN", "null", "NULL")


def read_csv(
    file: IO[bytes], url: str, options: dict[str, Any], max_bytes: int
) -> Iterator[pa.Table]:
    """A file's rows as text, in batches.

    :raises DataError: if it is no such file, naming the line
    """
    checked = CheckedBytes(file, url, max_bytes)
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
    for block, line in blocks(
        buffered, url, delimiter, len(header), any_lines=options.get("quoted_lines") == "any"
    ):
        yield _parsed(block, header, delimiter, convert, f"{url}, from line {line} on")
    checked.told_cut(options)


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
        remedy = "write it as UTF-8" if "UTF8" in str(error) else ""
        what = f"the file cannot be read: {_line(error)}"
        raise DataError(what, where=where, remedy=remedy) from error


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


def _line(error: pa.ArrowInvalid) -> str:
    return str(error).splitlines()[0]
