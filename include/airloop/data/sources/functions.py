"""The source ``python``: a function of the project, whatever it raises turned into one clear error."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from airloop.data.sources.raw import Batch, names_of
from airloop.data.sources.specs import PythonSpec
from airloop.errors import AbsentError, AirloopError, DataError, SpecError
from airloop.renames import current


def read_function(source: PythonSpec, partition: str) -> Iterator[Batch]:
    """What a user's function yields, whatever it raises turned into one clear error."""
    function = _function(source.function)
    where = f"{source.function}({partition!r})"
    try:
        frames = iter(function(partition))
    except AirloopError:
        raise
    except (Exception, SystemExit) as error:
        raise _raised(error, where) from error
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            return
        except AirloopError:
            raise
        except (Exception, SystemExit) as error:
            raise _raised(error, where) from error
        if not isinstance(frame, Batch):
            raise DataError(
                "the source's function must yield pandas frames or Arrow tables",
                value=type(frame).__name__,
                where=where,
            )
        names = names_of(frame)
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise DataError("the frame names a column twice", value=twice, where=where)
        yield frame


def _raised(error: BaseException, where: str) -> DataError:
    kind = AbsentError if isinstance(error, FileNotFoundError) else DataError
    return kind(
        f"the source's function raised {type(error).__name__}: {error}",
        where=where,
        remedy="run it by hand with this partition",
    )


def _function(path: str) -> Callable[[str], Any]:
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(current(module_name))
    except (Exception, SystemExit) as error:
        raise SpecError(
            f"the source's module cannot be imported: {type(error).__name__}: {error}",
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
