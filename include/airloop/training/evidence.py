"""What a night's answer rests on beside its report: shadow candidate, new data, what a training costs, traffic."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property

from airloop.contracts import Decision, Deployment, DriftReport, Fence
from airloop.data.lake.lake import Lake
from airloop.data.unsound import unsound
from airloop.errors import AirloopError, TransientError
from airloop.evaluation.twins import with_twin
from airloop.ledger import Ledger
from airloop.monitoring.reference import Reference
from airloop.partition import LENGTHS
from airloop.policy.arrivals import arrived
from airloop.policy.findings import Cost, Evidence, NewData, PairedGain
from airloop.policy.holding import is_old
from airloop.policy.shadows import due
from airloop.settings import Settings
from airloop.specs import DatasetSpec, ModelSpec
from airloop.training import shadow, windows
from airloop.vocabulary import Action, Topic, Triage

log = logging.getLogger("airloop.shadow")

#: Shadows of the ledger that are looked at for the newest; more have not come in any cadence.
_RECENT = 50
#: Attempts that are looked through for the last training's.
_ATTEMPTS = 1_000


@dataclass(frozen=True)
class Night:
    """A night that is looked at: the model, who serves, and where its evidence lies."""

    settings: Settings
    ledger: Ledger
    lake: Lake
    model: ModelSpec
    dataset: DatasetSpec
    deployment: Deployment
    reference: Reference
    partition: str
    fence: Fence

    @cached_property
    def there(self) -> tuple[str, ...]:
        """The partitions in the lake, as they were when the night was first asked."""
        return self.lake.partitions(self.dataset.name)

    @cached_property
    def broken(self) -> frozenset[str]:
        """Those of them that nothing is learned from."""
        return unsound(self.ledger, self.model, self.dataset)

    @property
    def sound(self) -> tuple[str, ...]:
        """The others."""
        return tuple(key for key in self.there if key not in self.broken)

    @property
    def newest(self) -> str | None:
        """The newest of them."""
        return max(self.there, default=None)

    @property
    def champion(self) -> str:
        """The night on which the labels of the champion's last day were complete."""
        last = self.reference.days[-1]
        if not self.dataset.cadence.timed:
            return last
        delay = self.model.target.delay_in(self.dataset.cadence)
        return str(self.dataset.partition(last).before(-delay))


def gather(night: Night, report: DriftReport) -> Evidence:
    """All of it; of a broken night nothing, since no model learns from it, nor of one on which callers ask otherwise.

    :raises TransientError: if the lake or the artifact store does not answer
    """
    if report.triage in {Triage.INCIDENT, Triage.SKEW}:
        return Evidence()
    if night.model.retraining.policy == "on_drift":
        return Evidence(fresh=_fresh(night))
    gain, why = None, ""
    # From an old night nothing follows: a backfill of a year must not fit a model for each week of it.
    if not is_old(night.partition, night.newest):
        gain, why = _shadow(night, drifted=report.triage is Triage.DRIFT)
    size = night.model.monitoring.window_in(night.dataset.cadence)
    day = LENGTHS[night.dataset.cadence] / timedelta(days=1)
    return Evidence(
        shadow=gain,
        no_shadow=why,
        new_data=_new(night),
        fresh=_fresh(night),
        cost=cost_of(night.ledger, night.model.name),
        traffic=report.current_rows / size / day if night.dataset.cadence.timed else None,
    )


def cost_of(ledger: Ledger, model: str) -> Cost | None:
    """What the last training took, by the ledger: all attempts of the steps behind its run."""
    rows = [row for row in ledger.usage(model, limit=_ATTEMPTS) if row.run_id is not None]
    newest = next((row.run_id for row in rows if row.step == "train"), None)
    mine = [row for row in rows if row.run_id == newest]
    if newest is None:
        return None
    return Cost(sum(row.cpu_seconds for row in mine), sum(row.gpu_seconds for row in mine))


def _new(night: Night) -> NewData:
    """The partitions after the champion's days, up to the night, of which something may be learned."""
    last = night.reference.days[-1]
    new = [key for key in night.sound if last < key <= night.partition]
    rows = night.lake.snapshot(night.dataset.name, new).rows if new else 0
    return NewData(len(new), rows)


def _fresh(night: Night) -> NewData | None:
    """What has arrived since the last training's night, where the spec asks for an amount."""
    if night.model.retraining.new_data is None:
        return None
    last = night.ledger.last_trained(night.model.name, night.partition)
    since = max(night.champion, last or "")

    def rows(keys: list[str]) -> int:
        return night.lake.snapshot(night.dataset.name, keys).rows if keys else 0

    return arrived(night.model, night.dataset, night.sound, since, night.partition, rows)


def _shadow(night: Night, *, drifted: bool) -> tuple[PairedGain | None, str]:
    """The night's shadow candidate, or why there is none; a repeated night gets the one it had."""
    identity = f"shadow:{night.model.name}:v{night.deployment.version}:{night.partition}"
    if (earlier := night.ledger.decision(identity)) is not None:
        return _gain_of(earlier), ""
    if not due(night.model.retraining, night.partition, _earlier(night), drifted=drifted):
        return None, ""
    try:
        found = shadow.cast(
            night.lake,
            windows.known(night.ledger, night.model, night.dataset, night.partition),
            night.dataset,
            lambda: with_twin(night.deployment.artifact, night.settings),
            night.partition,
            night.broken,
        )
    except TransientError:
        raise
    # The night has its verdict without one, and a fit fails in every way that a user's code may.
    except Exception as error:
        log.warning("no shadow candidate: %s", error, exc_info=not isinstance(error, AirloopError))
        told = str(error) if isinstance(error, AirloopError) else f"{type(error).__name__}: {error}"
        return None, told[:300]
    night.ledger.check_fence(night.fence)
    return _gain_of(_record(night, identity, found)), ""


def _earlier(night: Night) -> list[str]:
    """The nights that had a shadow candidate against this version."""
    told = night.ledger.decisions(night.model.name, Topic.SHADOW, _RECENT)
    mine = [one for one in told if one.figures.get("version") == night.deployment.version]
    return [str(one.figures["partition"]) for one in mine]


def _record(night: Night, identity: str, found: shadow.Shadow) -> Decision:
    gain = found.gain
    name = night.model.gates.primary
    return night.ledger.record_decision(
        entity=night.model.name,
        topic=Topic.SHADOW,
        action=Action.MEASURED,
        reason=f"a model of {found.training[0]}..{found.training[-1]}: {name} {gain.gain:+.4f} "
        f"({gain.low:+.4f} to {gain.high:+.4f}) against version {night.deployment.version} "
        f"on {gain.days} days that neither learned from",
        figures={
            "partition": night.partition,
            "version": night.deployment.version,
            "cpu_seconds": round(found.cpu_seconds, 3),
            **asdict(gain),
        },
        id=identity,
    )


def _gain_of(decision: Decision) -> PairedGain:
    told = decision.figures
    gain, low, high = (float(told[name] or 0.0) for name in ("gain", "low", "high"))
    return PairedGain(gain, low, high, int(told["days"] or 0), int(told["rows"] or 0))
