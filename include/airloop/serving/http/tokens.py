"""Who may enter: the bearer tokens of the service, read anew whenever their file changes.

So a token is replaced without a restart and without a request refused: for a time the file holds the new one and the
one of before, and both are let in.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path

from airloop.errors import AirloopError
from airloop.specs.sections.servers import ServingSettings
from airloop.specs.sections.tokens import read_tokens

log = logging.getLogger("airloop.serving")

#: How often the file is looked at, when nobody shows a token that is not known.
LOOK_SECONDS = 1.0
NONE = "no token is set"


class Tokens:
    """The tokens that are let in.

    :param fixed: the one token where it comes from no file
    :param path: the file that holds them
    """

    def __init__(
        self,
        fixed: str = "",
        path: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._clock = path, clock
        self._expected = _headers((fixed,)) if fixed else ()
        #: Why nobody can enter; empty where somebody can.
        self._fault = "" if fixed else NONE
        self._stamp: object = ()
        self._doubted: float | None = None
        self._next = 0.0
        self._look()

    @classmethod
    def of(cls, serving: ServingSettings) -> Tokens:
        """Those of the settings: the variable's, which lasts as long as the process, or the file's."""
        if serving.token is not None:
            return cls(serving.token.get_secret_value())
        return cls(path=serving.token_path)

    def admits(self, given: bytes) -> bool:
        """Whether this ``Authorization`` header is that of a caller who may enter; compared in constant time."""
        if self._clock() >= self._next:
            self._look()
        if self._known(given):
            return True
        # Perhaps the file's newest, of this very moment.
        return bool(given) and self._look() and self._known(given)

    @property
    def fault(self) -> str:
        """Why nobody can enter, without the place of the file; empty where somebody can."""
        if self._clock() >= self._next:
            self._look()
        return self._fault

    def _known(self, given: bytes) -> bool:
        found = False
        for expected in self._expected:
            found |= hmac.compare_digest(given, expected)
        return found

    def _look(self) -> bool:
        """Read the file where it changed; whether it did."""
        now = self._clock()
        self._next = now + LOOK_SECONDS
        stamp = _stamp(self._path) if self._path is not None else self._stamp
        if self._path is None or stamp == self._stamp:
            return False
        try:
            tokens = read_tokens(self._path)
        except (AirloopError, OSError) as error:
            return self._refuse(error, stamp, now)
        if self._stamp != ():
            log.info("the file of tokens was read anew: %d let in", len(tokens))
        self._expected, self._fault = _headers(tokens), ""
        self._stamp, self._doubted = stamp, None
        return True

    def _refuse(self, error: Exception, stamp: object, now: float) -> bool:
        """Let nobody in from now on; of tokens that were let in only at the second look, since a hand may be writing."""
        if self._expected and (self._doubted is None or now < self._doubted + LOOK_SECONDS):
            self._doubted = now if self._doubted is None else self._doubted
            return False
        log.error("nobody can enter: %s", error)
        what = error.what if isinstance(error, AirloopError) else "the token's file cannot be read"
        self._expected, self._fault = (), what
        self._stamp, self._doubted = stamp, None
        return True


def _headers(tokens: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(f"Bearer {token}".encode() for token in tokens)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode
