"""What the lake's store raises, translated once: full, refused, unreachable, damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake.exceptions import DeltaError

from airloop.errors import AirloopError, DamagedError
from airloop.storage.trouble import sentence, translate_error

#: How the libraries say that bytes are not what they were: of pages and footers, and of the log's entries.
_DAMAGED = re.compile(
    r"crc checksum|corrupt|deserializ|decompress|end of stream|invalid json|json error", re.I
)


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Translate what the store raises into what the house raises.

    :raises StorageFullError: if there is no space left
    :raises UnreachableError: if the store does not answer
    :raises SpecError: if it refuses
    :raises DamagedError: if a file is damaged
    """
    try:
        yield
    except AirloopError:
        raise
    except (pa.ArrowInvalid, OSError, DeltaError) as error:
        if isinstance(error, pa.ArrowInvalid) or _DAMAGED.search(str(error)):
            raise DamagedError(
                f"a file of the lake is damaged: {sentence(error)}",
                where=where,
                remedy="`airloop lake verify` names it; ingest its partition again, or restore it from a backup",
            ) from error
        raise translate_error(error, "the lake", where) from error
