"""What a store raises, in the house's words: full, refused, or not answering."""

from __future__ import annotations

import errno
import re
from typing import Final

from airloop.errors import AirloopError, SpecError, StorageFullError, UnreachableError

#: How a full store reads where a library passes on the text alone: ENOSPC, EDQUOT, and HTTP's word for it.
_FULL: Final = (
    *("no space left", "os error 28", "disk quota exceeded", "os error 122"),
    *("507 insufficient storage", "quotaexceeded"),
)
#: A server that answers, and says no: trying again cannot help.
_REFUSED: Final = (
    *("signaturedoesnotmatch", "invalidaccesskeyid", "accessdenied", "403 forbidden"),
    *("401 unauthorized", "lacked the necessary privileges", "expiredtoken", "invalidtoken"),
)
_NO_BUCKET: Final = "nosuchbucket"
_NOISE = re.compile(r"\x1b\[[0-9;]*m|[↳\s]+")
_LENGTH: Final = 300


def sentence(error: BaseException) -> str:
    """The error's text on one line: Rust's come as a tree, in colours."""
    text = _NOISE.sub(" ", str(error)).partition(" Debug source")[0].strip()
    text = text or type(error).__name__
    return text if len(text) <= _LENGTH else text[:_LENGTH] + "…"


def translate_error(error: BaseException, store: str, where: str) -> AirloopError:
    """The house's error for a library's.

    :param store: what it is, such as "the lake"
    """
    text = " ".join(_NOISE.sub(" ", str(error)).lower().split())
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or any(sign in text for sign in _FULL):
        remedy = "free some space and run it again"
        return StorageFullError(f"no space left in {store}", where=where, remedy=remedy)
    if _NO_BUCKET in text:
        return SpecError(f"{store}: there is no such bucket", where=where, remedy="create it")
    if any(sign in text for sign in _REFUSED):
        return SpecError(
            f"{store}: the server refuses the credentials",
            where=where,
            remedy="correct the AWS_… variables or the connection, and the bucket's policy",
        )
    return UnreachableError(
        f"{store} cannot be used: {sentence(error)}",
        where=where,
        remedy="check its address, storage_options and permissions",
    )
