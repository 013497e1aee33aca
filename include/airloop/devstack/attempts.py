"""How often a password may be tried at MLflow's server: a check costs a tenth of a second, and all wait for it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict

#: Wrong ones at once, and then one after so many seconds: a fifth of the time of one core.
BURST, SECONDS = 10, 0.5
#: So many right passwords are known again without a try.
_KNOWN = 1000


class Attempts:
    """A bucket of tries for one process of the server; who was right before does not need one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left, self._filled = float(BURST), time.monotonic()
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def take(self, user: str, password: str) -> bool:
        """Whether this may be checked now; a try is taken until :meth:`succeeded` gives it back."""
        with self._lock:
            if self._name(user, password) in self._known:
                return True
            now = time.monotonic()
            self._left = min(BURST, self._left + (now - self._filled) / SECONDS)
            self._filled = now
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def give_back(self) -> None:
        """Nothing was checked: there is no such user."""
        with self._lock:
            self._left = min(BURST, self._left + 1)

    def succeeded(self, user: str, password: str) -> None:
        """It was right: from now on it is checked whatever others try."""
        name = self._name(user, password)
        with self._lock:
            if name not in self._known:
                self._left = min(BURST, self._left + 1)
                self._known[name] = None
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def failed(self, user: str, password: str) -> None:
        """It is wrong, though it may have been right before."""
        with self._lock:
            self._known.pop(self._name(user, password), None)

    def _name(self, user: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{user}\0{password}".encode(), hashlib.sha256)
