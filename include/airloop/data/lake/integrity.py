"""Whether a stored file is the one that was written: the sha256 of its bytes stands in its name, and so in Delta's log.

The *integrity* digest is of bytes, and says whether a file may be read. The *content* digest is of rows, and says whether
two files hold the same; what is read is never trusted for it, but files of before there were integrity digests have no other.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
import uuid
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from airloop.data.lake.digest import SCHEME, file_digest
from airloop.data.lake.written import PIECE, Written
from airloop.errors import DamagedError

#: A file's bytes, in memory or in a temporary file.
Bytes: TypeAlias = pa.Buffer | pa.NativeFile
#: What :func:`name_of` makes, and what it made before it told the bytes' digest.
STAGED: Final = r"(?P<scheme>rows_sum256_)?(?P<content>[0-9a-f]{64})-(?P<token>\d+)(-(?P<integrity>[0-9a-f]{64}))?\.parquet"
_STAGED = re.compile(rf"{STAGED}\Z")
#: What :func:`name_of_appended` makes.
_APPENDED = re.compile(r"appended-[0-9a-f]{32}-(?P<integrity>[0-9a-f]{64})\.parquet\Z")
_SCHEME: Final = "sha256:"
#: How a name tells the scheme of now; that of before it does not tell.
_IN_NAMES: Final = "rows_sum256_"
#: Bytes of a file that are held in memory; more are copied into one of the step's work folder.
_HELD: Final = 64 << 20
#: Bytes that are read at a time.
_PIECE: Final = 1 << 22
#: Of files of before: the bytes' digest and the rows', where the bytes were found to hold them; the newest so many.
_KNOWN: Final[dict[tuple[str, str], None]] = {}
_MOST: Final = 100_000
#: One at a time is decoded, however many are read at once.
_LOOKING: Final = threading.Lock()
REMEDY: Final = "ingest the partition again, or restore the file from a backup of the lake; trying again cannot help"


def name_of(content: str, token: int, file: Written) -> str:
    """A staged file's name: the digest of its rows, the attempt, and the digest of its bytes."""
    name = content.removeprefix(_SCHEME).replace(SCHEME, _IN_NAMES)
    return f"{name}-{token}-{file.sha256}.parquet"


def name_of_appended(file: Written) -> str:
    """The name of a file that is added to a partition's others: it tells the digest of its bytes alone."""
    return f"appended-{uuid.uuid4().hex}-{file.sha256}.parquet"


def named_by(path: str) -> str | None:
    """The digest of its bytes that a file's name tells; None for one of before."""
    match = _STAGED.search(path) or _APPENDED.search(path)
    return f"{_SCHEME}{match['integrity']}" if match and match["integrity"] else None


def content_of(path: str) -> str | None:
    """The digest of its rows that a file's name tells; None for one that was appended."""
    match = _STAGED.search(path)
    if match is None:
        return None
    scheme = SCHEME if match["scheme"] else _SCHEME
    return f"{scheme}{match['content']}"


def read(path: str, filesystem: pafs.FileSystem) -> Bytes:
    """A file's bytes; those of a large one lie in a temporary file that has no name.

    :raises DamagedError: if it is gone
    """
    try:
        with filesystem.open_input_file(path) as file:
            return _put_aside(file) if file.size() > _HELD else _held(file)
    except FileNotFoundError:
        raise DamagedError("a file of the lake is gone", where=path, remedy=REMEDY) from None


def _held(file: pa.NativeFile) -> pa.Buffer:
    found = pa.allocate_buffer(file.size(), resizable=True)
    # Delta's filesystem hands out bytes, which are copied: a piece at a time is held twice.
    view, start = memoryview(found), 0
    while count := file.readinto(view[start : start + _PIECE]):
        start += count
    return found


def _put_aside(file: pa.NativeFile) -> pa.NativeFile:
    with tempfile.TemporaryFile(prefix="read-") as kept:
        while piece := file.read(PIECE):
            kept.write(piece)
        kept.flush()
        # Arrow's own file: its threads may let go of one of Python's while the process ends, which aborts it.
        return pa.OSFile(f"/dev/fd/{kept.fileno()}", "r")


def _sha256(file: Bytes) -> str:
    if isinstance(file, pa.Buffer):
        return hashlib.sha256(file).hexdigest()
    sha = hashlib.sha256()
    file.seek(0)
    while piece := file.read(PIECE):
        sha.update(piece)
    file.seek(0)
    return sha.hexdigest()


def check(file: Bytes, path: str, where: str) -> None:
    """Compare a file's bytes with its name; of one of before its rows.

    :param where: the table, partition and version, for who has to mend it
    :raises DamagedError: if they are others
    """
    wanted, content = named_by(path), content_of(path)
    found = _SCHEME + _sha256(file)
    if wanted is not None:
        sound = found == wanted
    elif content is not None:
        sound = _holds(file, found, content, path, where)
    else:
        return  # one that was appended before files told their bytes' digest
    if not sound:
        raise damaged("its bytes are not those that were written", path, where)


def _holds(file: Bytes, found: str, content: str, path: str, where: str) -> bool:
    """Whether a file of before holds the rows that its name tells.

    Its rows are looked at once in a process; afterwards these very bytes are known to hold them.
    """
    with _LOOKING:
        if (found, content) in _KNOWN:
            return True
        if content_in(file, path, where, content) != content:
            return False
        _KNOWN[found, content] = None
        if len(_KNOWN) > _MOST:
            del _KNOWN[next(iter(_KNOWN))]
    return True


def content_in(file: Bytes, path: str, where: str, like: str = SCHEME) -> str:
    """The digest of the rows that a file holds.

    :param like: a digest whose scheme is wanted
    :raises DamagedError: if it cannot be read
    """
    try:
        source = pa.BufferReader(file) if isinstance(file, pa.Buffer) else file
        with pq.ParquetFile(source, page_checksum_verification=True) as opened:
            return file_digest(opened, like)
    except MemoryError:  # Arrow's is one of its exceptions, too
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(str(error).splitlines()[0][:200], path, where) from error


def damaged(why: str, path: str, where: str) -> DamagedError:
    """The error, with what to do."""
    return DamagedError(
        f"a file of the lake is damaged: {why}", value=path, where=where, remedy=REMEDY
    )
