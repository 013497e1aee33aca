"""What every step is made of: a request, a result, and the context it runs in.

A step is ``include/airloop/steps/<step>.py`` with ``Request``, ``Result`` and ``run(request, context)``. Who starts a step
(an operator, the command line) never imports its module, which may be heavy: it writes the request's JSON and
reads the result's. Both sides therefore keep to these fields (a field may be added with a default):

========  ==================================================  =================================================
step      request, besides ``fence``                          result
========  ==================================================  =================================================
ingest    dataset: Name, partition: PartitionKey              dataset: DatasetRef, report: ValidationReport
study     model: Name, until, params: as train                study: str | None, shares: tuple[int, ...],
                                                              until: PartitionKey, reason: str
trials    model: Name, study: str | None, worker: int,        trials: int
          share: int, until: PartitionKey, params: dict
divide    model: Name, until, params, study: as train         plan: str, packs: tuple[int, ...], segments: int,
                                                              left_out: int, until: PartitionKey
segments  model: Name, plan: str, pack: int                   trained: int, failed: int
train     model: Name, trigger_id: str | None,                candidate: Candidate, run_url: str | None
          until: PartitionKey | None (last day of the window;
          None: the newest), params: dict (laid over the
          spec's training.params), reason: str,
          study: str | None, plan: str | None
evaluate  candidate: Candidate                                report: GateReport
register  candidate: Candidate, report: GateReport            version: ModelVersion
verify    model: Name, number: int (a registered version's)   version: ModelVersion, checks: tuple[Check, ...]
promote   version: ModelVersion, reason: str                  deployment: Deployment
monitor   model: Name, partition: PartitionKey                report: DriftReport, decision: Decision,
                                                              trigger: Trigger | None, created: bool
score     model: Name, partition: PartitionKey                table: DatasetRef, model_version: int, rows: int
========  ==================================================  =================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airloop.contracts import Contract, Fence

if TYPE_CHECKING:
    from airloop.ledger import Ledger
    from airloop.settings import Settings
    from airloop.specs import Catalog

#: Exit codes of ``python -m airloop.steps``; anything else is a crash, which may be tried again.
EXIT_OK = 0
EXIT_PERMANENT = 3
EXIT_TRANSIENT = 4

#: The steps that exist, in the order of the loop.
STEPS = (
    *("ingest", "study", "trials", "divide", "segments", "train", "evaluate", "register"),
    *("verify", "promote", "monitor", "score"),
    # Started by the step `segments`, never by an operator.
    "segment_worker",
)

#: Those that run in Airloop's own environment, whatever the model's is: ``verify`` serves a version on trial as the
#: service will, and the others run no code of the model. All others run in the model's environment.
IN_OUR_ENVIRONMENT = ("register", "verify", "promote")


class StepRequest(Contract):
    """What a step is asked to do. The fence was begun by the caller under the step's key."""

    fence: Fence


class StepResult(Contract):
    """What a step did: references and verdicts, small enough for an XCom."""


@dataclass(frozen=True)
class StepContext:
    """What a step may use. ``workdir`` is a scratch folder of this attempt alone."""

    settings: Settings
    catalog: Catalog
    ledger: Ledger
    workdir: Path
