"""Where a partition's rows come from: a file, a query or a user's function."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from airloop.contracts import PARTITION_PATTERN
from airloop.errors import AirloopError, DataError, SpecError
from airloop.renames import current
from airloop.specs.dataset import DatasetSpec, FileSource, PythonSource, SqlSource


def read_partition(spec: DatasetSpec, partition: str) -> Iterator[pd.DataFrame]:
    """A partition's raw frames; :func:`airloop.data.sources.conform.conform` gives them their types.

    :raises DataError: if the partition does not exist or is damaged, or the user's function failed
    :raises SpecError: if the source cannot be what the spec says
    :raises UnreachableError: if the store or the database does not answer
    """
    if not re.match(PARTITION_PATTERN, partition):
        raise DataError("not a partition key", value=partition, remedy="use YYYY-MM-DD")
    match spec.source:
        case FileSource() as source:
            from airloop.data.sources.files import read_files

            yield from read_files(source, partition)
        case SqlSource() as source:
            from airloop.data.sources.sql import read_sql

            yield from read_sql(source, partition)
        case PythonSource() as source:
            yield from _call(source, partition)


def read_frame(spec: DatasetSpec, partition: str) -> pd.DataFrame:
    """A whole partition as one raw frame; what :func:`read_partition` raises."""
    frames = list(read_partition(spec, partition))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _call(source: PythonSource, partition: str) -> Iterator[pd.DataFrame]:
    """What a user's function yields, whatever it raises turned into one clear error."""
    function = _function(source.function)
    where = f"{source.function}({partition!r})"
    try:
        frames = iter(function(partition))
    except AirloopError:
        raise
    except Exception as error:
        raise _raised(error, where) from error
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            return
        except AirloopError:
            raise
        except Exception as error:
            raise _raised(error, where) from error
        if not isinstance(frame, pd.DataFrame):
            raise DataError(
                "the source's function must yield pandas frames",
                value=type(frame).__name__,
                where=where,
            )
        if not frame.columns.is_unique:
            twice = sorted(map(str, frame.columns[frame.columns.duplicated()]))
            raise DataError("the frame names a column twice", value=twice, where=where)
        yield frame


def _raised(error: Exception, where: str) -> DataError:
    return DataError(
        f"the source's function raised {type(error).__name__}: {error}",
        where=where,
        remedy="run it by hand with this partition",
    )


def _function(path: str) -> Callable[[str], Any]:
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(current(module_name))
    except Exception as error:
        raise SpecError(
            f"the source's module cannot be imported: {error}",
            value=module_name,
            where="source.function",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise SpecError(
            "the source's module has no such function",
            value=name,
            where=f"source.function, module {module_name}",
            valid=[found for found in dir(module) if not found.startswith("_")],
        )
    return function  # type: ignore[no-any-return]
