"""The seam of alert routes: how a person hears that data is broken."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BeforeValidator, SerializeAsAny

from airloop.contracts import Contract, Name, PartitionKey
from airloop.plugins.registry import ALERTS
from airloop.plugins.spec import PluginSpec, picked


class Alert(Contract):
    """What is announced."""

    #: The model; the dataset, where a partition was refused.
    model: Name
    partition: PartitionKey
    triage: str
    reason: str
    #: The id of the decision in the ledger.
    decision: str
    #: Where the night's report lies, or the partition's Data Docs.
    report: str | None


class AlertSpec(PluginSpec):
    """The keys of one entry of the setting ``alerts``."""


class AlertRoute(Protocol):
    """Announces alerts in one way."""

    #: The class that checks an entry of ``alerts`` whose ``kind`` is this route's name.
    spec: ClassVar[type[AlertSpec]] = AlertSpec
    #: Whether a night that is looked at again is announced again; if not, the ledger remembers that it was.
    repeats: ClassVar[bool] = False

    @abstractmethod
    def send(self, spec: Any, alert: Alert) -> str | None:
        """Announce it; returns None, or why it was not taken: one line, without a secret such as a URL's token.

        :param spec: an instance of ``spec``
        """


#: An entry of the setting ``alerts``.
AlertField = Annotated[SerializeAsAny[AlertSpec], BeforeValidator(picked(ALERTS, AlertSpec))]
