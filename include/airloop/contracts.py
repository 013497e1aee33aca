"""The frozen models that pass between steps: references and verdicts, never data."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from airloop.figures import Figure, Figures, Metrics
from airloop.findings import Finding, Skew
from airloop.partition import ANY_KEY
from airloop.vocabulary import LOOP, Action, Cause, DeploymentKind, DriftKind, Topic, Triage

#: A name that may become a path, a dag_id or a table: ``\Z``, since ``$`` lets a trailing newline through.
NAME_PATTERN = r"\A[a-z][a-z0-9_]{0,62}\Z"
#: A day, as forms and specs write it.
DAY_PATTERN = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"
#: One line of text for people: no control characters, so that one line in a log stays one.
LINE_PATTERN = r"\A[^\x00-\x1f\x7f\u2028\u2029]{1,500}\Z"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
PartitionKey = Annotated[str, StringConstraints(pattern=ANY_KEY)]
Digest = Annotated[str, StringConstraints(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
FilesDigest = Annotated[str, StringConstraints(pattern=r"\Afiles-sha256:[0-9a-f]{64}\Z")]


class Contract(BaseModel):
    """Base of what crosses a boundary: immutable, no unknown fields, no NaN turned into null."""

    # python-re: the default engine does not know \\Z, which Airflow's JSON schemas (checked by Python's re) need.
    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="strings", regex_engine="python-re"
    )


class Outcome(StrEnum):
    """What a check says. Only ``ok`` moves forward."""

    OK = "ok"
    BAD = "bad"
    UNKNOWN = "could not tell"


class Fence(Contract):
    """A step's right to publish under a key; a newer attempt's larger token takes it away."""

    key: str
    token: int = Field(ge=1)


class DatasetRef(Contract):
    """The exact rows a step saw.

    ``version`` is the Delta table's version, ``digest`` covers the partitions' own digests in key order. ``integrity``
    covers the files, as the log of that version listed them; None in a reference of before there was such a digest.
    """

    name: Name
    uri: str
    version: int = Field(ge=0)
    partitions: tuple[PartitionKey, ...]
    rows: int = Field(ge=0)
    digest: Digest
    integrity: FilesDigest | None = None
    #: The moment whose state of the lake this is; None for the newest when it was taken.
    as_of: AwareDatetime | None = None


class Check(Contract):
    """One check's verdict with its figures, readable by a person: a gate, an expectation, a parity test."""

    name: str
    outcome: Outcome
    reason: str
    figures: Figures = {}

    @property
    def ok(self) -> bool:
        """Whether this check lets things move forward."""
        return self.outcome is Outcome.OK


class ValidationReport(Contract):
    """What validating one partition found."""

    dataset: Name
    partition: PartitionKey
    outcome: Outcome
    checks: tuple[Check, ...]
    rows: int
    quarantined: int = 0
    docs_uri: str | None = None


class ArtifactRef(Contract):
    """A trained model's files in the artifact store. ``digest`` is the sha256 of its manifest."""

    uri: str
    digest: Digest


class Candidate(Contract):
    """A trained model that has not yet earned anything."""

    model: Name
    run_id: str
    artifact: ArtifactRef
    dataset: DatasetRef
    #: The partitions of ``dataset`` held out of training, on which every gate is decided.
    holdout: tuple[PartitionKey, ...]
    metrics: Metrics
    trigger_id: str | None = None
    #: What it was fitted with, as JSON.
    params: str = "{}"
    #: The same fitted again on the held-out days too. ``artifact`` is what the gates judge.
    refit: ArtifactRef | None = None


class GateReport(Contract):
    """All gates' verdicts on one candidate."""

    model: Name
    run_id: str
    champion_version: int | None
    checks: tuple[Check, ...]
    #: What the gates judged, and the same fitted on the held-out days too.
    judged: Digest | None = None
    refitted: Digest | None = None
    #: Which of the two may be delivered, and why.
    delivers: Digest | None = None
    guard: str = ""

    @property
    def outcome(self) -> Outcome:
        """The worst of the checks; no checks at all is ``could not tell``."""
        outcomes = {check.outcome for check in self.checks}
        for worst in (Outcome.BAD, Outcome.UNKNOWN):
            if worst in outcomes:
                return worst
        return Outcome.OK if outcomes else Outcome.UNKNOWN

    @property
    def reason(self) -> str:
        """Why, in one line: the reasons of what did not pass."""
        failed = [f"{check.name}: {check.reason}" for check in self.checks if not check.ok]
        return "; ".join(failed) or f"all {len(self.checks)} gates passed"


class ModelVersion(Contract):
    """A registered version: what can be delivered."""

    model: Name
    version: int = Field(ge=1)
    run_id: str
    artifact: ArtifactRef
    #: The champion that its gates compared it with; None where nothing served yet.
    champion_version: int | None = None


class Deployment(Contract):
    """Who serves: one row of the ledger, of which the aliases are a copy."""

    model: Name
    sequence: int = Field(ge=1)
    version: int = Field(ge=1)
    previous: int | None
    artifact: ArtifactRef
    kind: DeploymentKind
    reason: str
    at: datetime
    actor: str = LOOP


class FeatureDrift(Contract):
    """One column's change between the reference and the current window."""

    column: str
    outcome: Outcome
    #: What the statistic is: PSI, odds ratio, CUSUM.
    measure: str = "PSI"
    statistic: Figure
    threshold: Figure
    p_value: Figure
    reason: str


class DriftReport(Contract):
    """What a night's comparison found, feature by feature."""

    model: Name
    partition: PartitionKey
    reference_rows: int
    current_rows: int
    features: tuple[FeatureDrift, ...]
    performance: Metrics = {}
    baseline_performance: Metrics = {}
    triage: Triage
    kinds: tuple[DriftKind, ...] = ()
    #: What is wrong with the night's data, whatever the triage makes of it.
    findings: tuple[Finding, ...] = ()
    #: What callers sent, held against the reference; and where it is not what was delivered.
    asked_rows: int = 0
    asked: tuple[FeatureDrift, ...] = ()
    skews: tuple[Skew, ...] = ()
    reason: str
    report_uri: str | None = None


class Decision(Contract):
    """One recorded answer of the loop about a model or a dataset, with the figures it was taken on."""

    id: str
    entity: Name
    topic: Topic
    action: Action
    reason: str
    figures: Figures = {}
    at: datetime
    actor: str = LOOP


class Trigger(Contract):
    """A reason to train, claimed by at most one run."""

    id: str
    model: Name
    cause: Cause
    dedup_key: str
    reason: str
    partition: PartitionKey | None = None
    at: datetime
    actor: str = LOOP
