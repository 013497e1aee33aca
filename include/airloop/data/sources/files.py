"""The source ``file``: CSV, Parquet or JSON lines, local, in a bucket or at any fsspec URL, read strictly and in batches."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from airloop.data.sources.csv_files import read_csv
from airloop.data.sources.json_lines import read_json_lines
from airloop.data.sources.opening import located, opened
from airloop.data.sources.parquet_files import read_parquet
from airloop.data.sources.raw import Batch
from airloop.data.sources.specs import FileSpec
from airloop.data.sources.unpacking import unpacked
from airloop.errors import AbsentError, AirloopError, DataError, UnreachableError

#: Bytes of one partition's file, unpacked; more is an accident, or a bomb.
MAX_BYTES: Final = 1 << 29
_READERS: Final[dict[str, Callable[..., Iterator[Batch]]]] = {
    "csv": read_csv,
    "parquet": read_parquet,
    "jsonl": read_json_lines,
}
#: zipfile raises NotImplementedError for a method of packing that no archive of ours has.
_DAMAGE: Final = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


def read_files(source: FileSpec, partition: str) -> Iterator[Batch]:
    """The batches of one partition's file; as it stands there, for the spec's types to be applied.

    :raises DataError: if the file does not exist, is empty or is damaged
    :raises SpecError: if the path's scheme is unknown
    :raises UnreachableError: if the store does not answer
    """
    url = located(source.path.replace("{partition}", partition))
    read = _READERS[source.format]
    max_bytes = source.options.get("max_bytes", MAX_BYTES)
    with _file_errors(url, partition), opened(url) as packed, unpacked(packed, url) as file:
        yield from read(file, url, source.options, max_bytes)


@contextmanager
def _file_errors(url: str, partition: str) -> Iterator[None]:
    """Translate what reading a file raises: the file's fault, or the store's."""
    try:
        yield
    except (AirloopError, MemoryError):  # Arrow's own is one of its exceptions, too
        raise
    except FileNotFoundError as error:
        raise AbsentError("the partition does not exist", value=partition, where=url) from error
    except _DAMAGE as error:
        raise DataError("the file is truncated or damaged", where=url) from error
    except OSError as error:
        if _is_damage(error):
            raise DataError("the file is truncated or damaged", where=url) from error
        raise UnreachableError(f"the file cannot be read: {error}", where=url) from error
    except (pa.ArrowException, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"the file cannot be read: {text}", where=url) from error


def _is_damage(error: OSError) -> bool:
    """A file that is not what its name says has no errno: gzip's BadGzipFile, Parquet's magic bytes."""
    return error.errno is None
