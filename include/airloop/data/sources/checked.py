"""Bytes of a text file, let through as long as they can be text."""

from __future__ import annotations

import io
import logging
from typing import IO, Any, Final

from airloop.errors import DataError

log = logging.getLogger("airloop.ingest")

#: What files that are no text begin with.
_MAGIC: Final = {
    b"PK\x03\x04": "a zip archive, as a workbook of Excel is",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a workbook of an older Excel",
    b"\x1f\x8b": "packed by gzip",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ\x00": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard",
    b"PAR1": "Parquet",
}
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class CheckedBytes(io.RawIOBase):
    """A stream that lets through UTF-8 text of a bounded length and nothing else."""

    def __init__(self, file: IO[bytes], url: str, max_bytes: int) -> None:
        self._file, self._url, self._max, self._seen = file, url, max_bytes, 0
        #: The last byte that was read.
        self.last = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes, if they can be text."""
        block = self._file.read(len(buffer))
        if self._seen == 0 and block.startswith(_BOMS):
            raise DataError(
                "the file starts with a byte order mark",
                where=self._url,
                remedy="write it as UTF-8 without one",
            )
        if self._seen == 0 and (
            kind := next((_MAGIC[one] for one in _MAGIC if block.startswith(one)), "")
        ):
            raise DataError(
                f"the file is no text but {kind}",
                where=self._url,
                remedy="export it as text, or give it the name of what it is",
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

    def told_cut(self, options: dict[str, Any]) -> None:
        """A file whose last line has no end may have been cut in its last cell; nothing else would show it.

        :raises DataError: if the options require such an end
        """
        if self.last == b"\n":
            return
        what = "the file's last line has no end: it may have been cut there"
        if options.get("final_newline") == "require":
            raise DataError(what, where=self._url, remedy="deliver it whole, with a line's end")
        log.warning("%s (%s); options.final_newline: require refuses such a file", what, self._url)


def too_large(max_bytes: int, url: str) -> DataError:
    """What is said of a file beyond ``options.max_bytes``."""
    return DataError(
        f"the file is larger than {max_bytes} bytes",
        where=url,
        remedy="make the partitions smaller, or set source.options.max_bytes",
    )
