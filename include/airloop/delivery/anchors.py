"""Anchors: the last link of each chain, kept besides the ledger in two places, so that a tail which was cut off is missed.

The step store has one file, MLflow an experiment's tags. Both are of one ledger, by where its database is: another ledger
beside the same stores has its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import make_url

from airloop.contracts import Contract
from airloop.errors import DamagedError, SupersededError
from airloop.exchange.blobs import BlobStore
from airloop.ledger.audit import Heads
from airloop.registry import tracking
from airloop.settings import Settings
from airloop.specs.sections.addresses import with_driver
from airloop.storage.options import with_credentials

STEP_STORE, MLFLOW = "the step store", "MLflow"
_TAG = "airloop.head."


class Anchor(Contract):
    """What the step store has."""

    at: datetime
    #: When every row was last compared with its link.
    verified: datetime
    #: Whether MLflow has the same.
    shown: bool
    heads: dict[str, tuple[int, str]]


class Anchors:
    """Where the heads of one ledger are kept.

    :param credentials: ``AWS_…`` variables of the step store's bucket that are not this process's own
    """

    def __init__(self, settings: Settings, credentials: Mapping[str, str] | None = None) -> None:
        options = with_credentials(settings.storage_options, credentials or {})
        self._settings, self._store = settings, BlobStore(settings.step_store_uri, options)
        name = _identity(settings.ledger_url)
        self._name, self._experiment = f"anchors/{name}.json", f"airloop_ledger_{name}"

    def kept(self) -> Anchor | None:
        """What the step store has; None before the first time.

        :raises DamagedError: if what it has is not what was written
        :raises UnreachableError: if it does not answer
        """
        content = self._store.read(self._name)
        try:
            return None if content is None else Anchor.model_validate_json(content)
        except ValidationError as error:
            where = self._store.place(self._name)
            raise DamagedError("the ledger's anchor cannot be read", where=where) from error

    def keep(self, anchor: Anchor) -> None:
        """Put it in the place of the one before, in one act."""
        self._store.write(self._name, anchor.model_dump_json().encode())

    def shown(self) -> Heads | None:
        """What MLflow has; None before the first time.

        :raises UnreachableError: if it does not answer
        """
        client = tracking.client(self._settings)
        with tracking.reaching(self._settings):
            found = client.get_experiment_by_name(self._experiment)
        return None if found is None else _heads(found.tags)

    def show(self, heads: Heads, *, anew: bool = False) -> None:
        """Let MLflow have these and no others.

        :param anew: whether a person said that what it has no longer counts; else no head goes backwards
        :raises SupersededError: if these are behind what it has, which then stays
        :raises UnreachableError: if it does not answer
        """
        client = tracking.client(self._settings)
        with tracking.reaching(self._settings):
            found = client.get_experiment_by_name(self._experiment)
            if found is None:
                number = client.create_experiment(self._experiment)
            else:
                number = found.experiment_id
                if found.lifecycle_stage == "deleted":
                    client.restore_experiment(number)
            there = {} if found is None else found.tags
            if not anew and (ahead := sorted(_ahead(_heads(there), heads))):
                raise SupersededError(
                    "MLflow has a newer anchor of the ledger than this one, and keeps it",
                    value=", ".join(ahead),
                    remedy="`airloop audit verify` tells whether the ledger has those links",
                )
            for entity, (sequence, digest) in heads.items():
                name, said = f"{_TAG}{entity}", f"{sequence} {digest}"
                if there.get(name) != said:
                    client.set_experiment_tag(number, name, said)
            for entity in _heads(there).keys() - heads.keys():
                client.delete_experiment_tag(number, f"{_TAG}{entity}")


def _heads(tags: Mapping[str, str]) -> Heads:
    """What was written; a tag that says something else is an anchor that no link has."""
    found = {}
    for name, said in tags.items():
        if name.startswith(_TAG):
            number, _, digest = said.partition(" ")
            found[name.removeprefix(_TAG)] = (int(number) if number.isdecimal() else 1, digest)
    return found


def _ahead(there: Heads, heads: Heads) -> Iterator[str]:
    """The chains that have come further there, or to another end."""
    for entity, (sequence, digest) in there.items():
        last, mine = heads.get(entity, (0, ""))
        if sequence > last or (sequence == last and digest != mine):
            yield entity


def _identity(url: str) -> str:
    parsed = make_url(with_driver(url))
    said = f"{parsed.get_backend_name()}|{parsed.host}|{parsed.port}|{parsed.database}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]
