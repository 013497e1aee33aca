"""The seal of an object in the step store: who has no key can neither make one nor move one from another place.

It is an HMAC over the object's address and its content. The key lies among the secrets of the stack that `airloop up`
made; elsewhere it stands in the environment, which pods get from a Kubernetes secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from airloop.errors import DamagedError, SpecError
from airloop.paths import home_folder
from airloop.textfile import first_line

#: Where a process finds the key that no `airloop up` made.
VARIABLE = "AIRLOOP_STEP_KEY"
#: The file of the key among the stack's secrets.
SECRET = "step_key"  # noqa: S105 - a name, no key
#: Characters of a seal.
LENGTH = 64
#: Stands in each seal, so that one of another scheme is none of this.
_SCHEME = b"airloop-seal-1"
#: Shorter keys than this, in characters, can be guessed.
_SHORTEST = 32


def seal(place: str, content: bytes) -> str:
    """The seal of what is left at ``place``.

    :raises SpecError: if this process has no key
    """
    message = b"\0".join((_SCHEME, place.encode(), content))
    return hmac.new(_key(), message, hashlib.sha256).hexdigest()


def check(place: str, content: bytes, found: object) -> None:
    """Compare the seal that was found with the one that belongs there.

    :raises DamagedError: if it is another: the object is damaged, or somebody else's
    :raises SpecError: if this process has no key
    """
    if isinstance(found, str) and found.isascii():
        if hmac.compare_digest(found, seal(place, content)):
            return
        raise refusal(
            "an object of the step store is damaged or forged: its seal is not ours", place
        )
    raise refusal(
        "an object of the step store bears no seal: forged, or left by an Airloop from before",
        place,
    )


def require_key() -> None:
    """See that this process has a key, before anything is begun.

    :raises SpecError: if it has none
    """
    _key()


def refusal(what: str, place: str) -> DamagedError:
    """The one sentence about an object that is not used."""
    remedy = (
        "find who wrote it, remove it, and clear the task: a new attempt begins; if nobody did, see that all processes "
        f"and pods have the same key ({VARIABLE}) and this Airloop"
    )
    return DamagedError(what, where=place, remedy=remedy)


def _key() -> bytes:
    """The key of `airloop up` where it made one, else the environment's."""
    file = home_folder() / "secrets" / SECRET
    try:
        key = first_line(file) if file.exists() else ""
    except OSError as error:
        raise SpecError(
            "the key of the step store cannot be read",
            value=error.strerror,
            where=str(file),
            remedy="run as the user who ran `airloop up`",
        ) from error
    where = str(file) if key else f"the variable {VARIABLE}"
    key = key or os.environ.get(VARIABLE, "").strip()
    if len(key) >= _SHORTEST:
        return key.encode()
    raise SpecError(
        f"the step store's key has fewer than {_SHORTEST} characters"
        if key
        else "there is no key for the step store, so no request and no result can be trusted",
        where=where,
        remedy=f"`airloop up` makes one; elsewhere give the same {VARIABLE} (openssl rand -hex 32) to Airflow and to the "
        "steps' pods, by a secret",
    )
