"""What MLflow should show of a model, by the ledger: its versions and its aliases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airloop.contracts import ArtifactRef, Decision, Deployment, ModelVersion
from airloop.ledger import Ledger
from airloop.registry import models
from airloop.vocabulary import Action, DeploymentKind, Topic

#: Registrations looked through: all that there are.
_HISTORY = 1_000_000
_RUNS = "runs:/"


@dataclass
class Shown:
    """One model's versions, as the ledger knows them."""

    #: The last deployment that the loop wrote.
    last: Deployment | None = None
    #: Whether a hand put another over it, edited or deleted it.
    doubted: bool = False
    versions: dict[int, ModelVersion] = field(default_factory=dict)
    #: The highest number whose registration is on record; 0 without any.
    registered: int = 0
    #: What is on record of versions and cannot be mended: number, run, and what is so of it.
    settled: set[tuple[int, str, Action]] = field(default_factory=set)

    @property
    def newest(self) -> int:
        """The highest number that the ledger knows; 0 without any."""
        return max(self.versions, default=0)

    @property
    def runs(self) -> set[str]:
        """Of its versions."""
        return {one.run_id for one in self.versions.values() if one.run_id}

    @property
    def used(self) -> tuple[ModelVersion, ...]:
        """Those that serve, would serve after a rollback, or may serve next."""
        last = (self.last.version, self.last.previous) if self.last else ()
        numbers = {*last, self.newest}
        return tuple(one for number, one in self.versions.items() if number in numbers)


def shown(ledger: Ledger, model: str | None = None) -> Mapping[str, Shown]:
    """Of every model, or of one, in a few queries."""
    found: defaultdict[str, Shown] = defaultdict(Shown)
    for name, one in ledger.serving(model).items():
        mine = found[name]
        mine.last, mine.doubted = one.proven, one.doubted is not None
        if one.proven is not None:
            mine.versions[one.proven.version] = _deployed(one.proven)
    for said in reversed(ledger.decisions(model, Topic.VERSION, _HISTORY)):
        number, run = int(said.figures["version"] or 0), str(said.figures["run_id"])
        mine = found[said.entity]
        if said.action is Action.REGISTERED:
            mine.versions[number], mine.registered = _registered(said), max(mine.registered, number)
        else:
            mine.settled.add((number, run, said.action))
    return found


def aliases_of(ledger: Ledger, model: str) -> dict[str, int | None]:
    """Which version each alias should name, None for no version; of one that is not in it nobody can tell."""
    return wanted_aliases(ledger, model, shown(ledger, model).get(model, Shown()))


def wanted_aliases(ledger: Ledger, model: str, known: Shown) -> dict[str, int | None]:
    """:func:`aliases_of` of what is known of a model already."""
    last = known.last
    if known.doubted:
        return {}  # the aliases stay as the loop left them
    if last is not None and last.kind is DeploymentKind.RETIRE:
        return dict.fromkeys((models.CHAMPION, models.PREVIOUS, models.CHALLENGER))
    wanted: dict[str, int | None] = {models.CHAMPION: last.version if last else None}
    previous = last.previous if last else None
    wanted[models.PREVIOUS] = previous if last and previous != last.version else None
    if newest := known.registered:
        served = ledger.requested_deployment(model, f"promote:{newest}") is not None
        served |= last is not None and newest <= last.version
        wanted[models.CHALLENGER] = None if served else newest
    return wanted


def registration(version: ModelVersion) -> Decision:
    """The decision that a run is this version."""
    return Decision(
        id=f"{version.model}:version:{version.version}",
        entity=version.model,
        topic=Topic.VERSION,
        action=Action.REGISTERED,
        reason=f"run {version.run_id} is version {version.version}",
        figures={
            "version": version.version,
            "run_id": version.run_id,
            "uri": version.artifact.uri,
            "digest": version.artifact.digest,
            "champion_version": version.champion_version,
        },
        at=datetime.now(UTC),
    )


def settle(ledger: Ledger, model: str, number: int, run: str, action: Action, reason: str) -> None:
    """Put down what is so of a version and cannot be mended: it is told once, not for ever."""
    ledger.record_decision(
        entity=model,
        topic=Topic.VERSION,
        action=action,
        reason=reason,
        figures={"version": number, "run_id": run},
        id=f"{model}:version:{number}:{run}:{action}",
    )


def _registered(decision: Decision) -> ModelVersion:
    told = decision.figures
    champion = told["champion_version"]
    return ModelVersion(
        model=decision.entity,
        version=int(told["version"] or 0),
        run_id=str(told["run_id"]),
        artifact=ArtifactRef(uri=str(told["uri"]), digest=str(told["digest"])),
        champion_version=None if champion is None else int(champion),
    )


def _deployed(last: Deployment) -> ModelVersion:
    """What serves and was registered before registrations were put down."""
    uri = last.artifact.uri
    run = uri.removeprefix(_RUNS).partition("/")[0] if uri.startswith(_RUNS) else ""
    return ModelVersion(model=last.model, version=last.version, run_id=run, artifact=last.artifact)
