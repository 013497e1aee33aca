"""The source ``file``: CSV or Parquet, local, in a bucket or at any fsspec URL, read strictly and in batches."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any, Final

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from airloop.data.sources.specs import FileSpec
from airloop.errors import AbsentError, AirloopError, DataError, SpecError, UnreachableError
from airloop.paths import root
from airloop.settings import load_settings
from airloop.storage.options import is_bucket

#: What stands for a missing value in a CSV file, unless ``options.null_values`` says otherwise.
NULL_VALUES: Final = ("", "NA", "NaN", "null", "NULL")
#: Decompressed bytes of one partition's CSV file; more is an accident, or a bomb.
MAX_BYTES: Final = 1 << 29
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BATCH_ROWS: Final = 65_536


def read_files(source: FileSpec, partition: str) -> Iterator[pd.DataFrame]:
    """The frames of one partition's file; text as it stands there, for the spec's types to be applied.

    :raises DataError: if the file does not exist, is empty or is damaged
    :raises SpecError: if the path's scheme is unknown
    :raises UnreachableError: if the store does not answer
    """
    url = _located(source.path.replace("{partition}", partition))
    read = _read_csv if source.format == "csv" else _read_parquet
    with _file_errors(url, partition), _opened(url) as file:
        yield from read(file, url, source.options)


def _opened(url: str) -> AbstractContextManager[IO[bytes]]:
    if not is_bucket(url):
        opened: AbstractContextManager[IO[bytes]] = fsspec.open(url, "rb", compression="infer")
        return opened
    from airloop.storage.bucket import reader

    return reader(url, load_settings().storage_options)


def _located(path: str) -> str:
    """A path without a scheme is relative to the project."""
    return path if "://" in path or "::" in path else str(root() / path)


def _read_csv(file: IO[bytes], url: str, options: dict[str, Any]) -> Iterator[pd.DataFrame]:
    checked = io.BufferedReader(_CheckedBytes(file, url, options.get("max_bytes", MAX_BYTES)))
    header = _header(checked, url, options)
    if not checked.peek(1):
        yield pd.DataFrame(columns=header, dtype=object)
        return
    reader = pv.open_csv(
        pa.PythonFile(checked, mode="r"),
        read_options=pv.ReadOptions(use_threads=False, column_names=header),
        parse_options=pv.ParseOptions(
            delimiter=options.get("delimiter", ","), newlines_in_values=True
        ),
        convert_options=pv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            null_values=list(options.get("null_values", NULL_VALUES)),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for batch in reader:
        yield batch.to_pandas()


def _header(file: IO[bytes], url: str, options: dict[str, Any]) -> list[str]:
    """Consume and check the first line: pyarrow itself would accept a name twice."""
    line = file.readline()
    if not line.strip():
        raise DataError("the partition is empty", where=url, remedy="the file has no header")
    parse = pv.ParseOptions(delimiter=options.get("delimiter", ","))
    names = pv.read_csv(io.BytesIO(line), parse_options=parse).column_names
    _unique(names, url)
    return list(names)


def _read_parquet(file: IO[bytes], url: str, _options: dict[str, Any]) -> Iterator[pd.DataFrame]:
    parquet = pq.ParquetFile(file)
    _unique(parquet.schema_arrow.names, url)
    for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
        yield batch.to_pandas(date_as_object=True, integer_object_nulls=True)


def _unique(names: list[str], url: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the header names {len(twice)} columns twice", value=twice, where=url)


class _CheckedBytes(io.RawIOBase):
    """A stream that lets through UTF-8 text of a bounded length and nothing else."""

    def __init__(self, file: IO[bytes], url: str, max_bytes: int) -> None:
        self._file, self._url, self._max, self._seen = file, url, max_bytes, 0

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
            raise DataError(
                f"the file is larger than {self._max} bytes",
                where=self._url,
                remedy="make the partitions smaller, or set source.options.max_bytes",
            )
        buffer[: len(block)] = block
        return len(block)


@contextmanager
def _file_errors(url: str, partition: str) -> Iterator[None]:
    """Translate what reading a file raises: the file's fault, or the store's."""
    try:
        yield
    except AirloopError:
        raise
    except FileNotFoundError as error:
        raise AbsentError("the partition does not exist", value=partition, where=url) from error
    except (EOFError, zlib.error) as error:
        raise DataError("the file is truncated or damaged", where=url) from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        text = str(error).splitlines()[0]
        raise DataError(f"the file cannot be read: {text}", where=url) from error
    except (ImportError, ValueError) as error:
        raise SpecError("the path's scheme is not known here", value=url) from error
    except OSError as error:
        if _is_damage(error):
            raise DataError("the file is truncated or damaged", where=url) from error
        raise UnreachableError(f"the file cannot be read: {error}", where=url) from error


def _is_damage(error: OSError) -> bool:
    """A file that is not what its name says has no errno: gzip's BadGzipFile, Parquet's magic bytes."""
    return error.errno is None
