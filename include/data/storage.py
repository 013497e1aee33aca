"""What a store raises, translated once: full, unreachable, damaged."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from deltalake.exceptions import DeltaError

from include.errors import AirloopError, DataError, StorageFullError, UnreachableError

#: How a full disk reads where a library passes on the text alone: ENOSPC and EDQUOT.
_FULL: Final = ("no space left", "os error 28", "disk quota exceeded", "os error 122")


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Translate what the store raises into what the house raises.

    :raises StorageFullError: if there is no space left
    :raises UnreachableError: if the store does not answer, or refuses
    :raises DataError: if a file is damaged
    """
    try:
        yield
    except AirloopError:
        raise
    except pa.ArrowInvalid as error:
        raise DataError(
            f"a file of the lake is damaged: {str(error).splitlines()[0]}",
            where=where,
            remedy="ingest its partition again",
        ) from error
    except (OSError, DeltaError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        number = error.errno if isinstance(error, OSError) else None
        full = number in (errno.ENOSPC, errno.EDQUOT) or any(
            sign in str(error).lower() for sign in _FULL
        )
        if full:
            raise StorageFullError(
                "no space left in the lake", where=where, remedy="free some space and run it again"
            ) from error
        raise UnreachableError(
            f"the lake cannot be used: {text}",
            where=where,
            remedy="check lake_uri, storage_options and the folder's permissions",
        ) from error
