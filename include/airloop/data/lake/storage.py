"""What the lake's store raises, translated once: full, refused, unreachable, damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake.exceptions import DeltaError

from airloop.errors import AirloopError, DataError
from airloop.storage.trouble import translate_error


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Translate what the store raises into what the house raises.

    :raises StorageFullError: if there is no space left
    :raises UnreachableError: if the store does not answer
    :raises SpecError: if it refuses
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
        raise translate_error(error, "the lake", where) from error
