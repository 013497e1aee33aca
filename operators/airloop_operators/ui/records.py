"""What the ledger knows of all models that the page shows, by one query a kind and not one a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from airloop.contracts import Decision
from airloop.ledger import Ledger
from airloop.ledger.incidents import STANDING, Incident
from airloop.ledger.serving import Serving
from airloop.specs import ModelSpec
from airloop.vocabulary import Topic

#: How far back the pictures look, in records.
NIGHTS = 60
#: How far back the reason of a last run is looked for.
RUNS = 50
#: How many decisions are listed.
DECISIONS = 12
#: How many incidents are.
INCIDENTS = 10
#: Decisions that are no news to a person.
_QUIET = {Topic.PERFORMANCE, Topic.MEANS, Topic.VERSION}
NEWS = frozenset(Topic) - _QUIET

Told = Mapping[str, Sequence[Decision]]


@dataclass(frozen=True)
class Records:
    """By the name of the model, or of the dataset; the newest first."""

    serving: Mapping[str, Serving]
    measured: Told
    nights: Told
    runs: Told
    news: Told
    #: What nothing is learned from.
    incidents: Mapping[str, Sequence[Incident]]
    #: The models that were replayed.
    replayed: Collection[str]
    #: What MLflow was last found to say.
    mlflow: Mapping[str, Decision]


def read(ledger: Ledger, names: Sequence[str], specs: Sequence[ModelSpec]) -> Records:
    """Of all models, those whose specs are wrong too, as far as anything was put down.

    :raises UnreachableError: if the ledger does not answer
    """
    known = [spec.name for spec in specs]
    ran = dict.fromkeys([*known, *(spec.dataset for spec in specs)])
    return Records(
        serving=ledger.serving(),
        measured=ledger.last_decisions(known, {Topic.PERFORMANCE}, NIGHTS),
        nights=ledger.last_decisions(known, {Topic.RETRAINING}, NIGHTS),
        runs=ledger.last_decisions([*ran], {Topic.RUN}, RUNS),
        news=ledger.last_decisions(names, NEWS, DECISIONS),
        incidents=ledger.last_incidents(STANDING, INCIDENTS),
        replayed=ledger.newest_decisions(Topic.REPLAY).keys(),
        mlflow=ledger.newest_decisions(Topic.MLFLOW),
    )
