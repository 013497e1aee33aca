"""What nights leave on record: their means and costs, so that what adds up over weeks is known without reading weeks of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airloop.contracts import Deployment
from airloop.figures import Figures
from airloop.ledger import Ledger
from airloop.monitoring.costs import DayCosts
from airloop.monitoring.sequence import NIGHTS, Means
from airloop.vocabulary import Action, Topic

#: Before a column's name among the figures.
SIGN = "z "
#: Before a cost's name.
COST = "cost "
#: Measured days that are looked through: a year of one champion's, or of hours two weeks'.
MEASURED = 400
#: Decisions that are looked through: other versions' nights, and nights after this one, are among them.
LOOKED_AT = 4 * NIGHTS


def before(ledger: Ledger, deployment: Deployment, partition: str) -> list[Means]:
    """The means of the sound nights before one, under this champion, the last at the end."""
    told = ledger.decisions(deployment.model, Topic.MEANS, LOOKED_AT)
    mine = {
        str(one.figures["partition"]): one.figures
        for one in told
        if one.figures.get("version") == deployment.version
        and str(one.figures["partition"]) < partition
    }
    return [_means(mine[key]) for key in sorted(mine)[-NIGHTS:]]


def record(ledger: Ledger, deployment: Deployment, partition: str, means: Means) -> None:
    """Put a sound night's means down, once."""
    if not means:
        return
    figures: Figures = {"partition": partition, "version": deployment.version}
    ledger.record_decision(
        entity=deployment.model,
        topic=Topic.MEANS,
        action=Action.MEASURED,
        reason=f"means of {len(means)} columns on {partition}, in standard deviations of the reference's days",
        figures=figures | {f"{SIGN}{name}": value for name, value in means.items()},
        id=f"means:{deployment.model}:v{deployment.version}:{partition}",
    )


def costs_before(ledger: Ledger, deployment: Deployment, through: str) -> dict[str, DayCosts]:
    """What this champion's answers cost, partition by partition up to one, by what was measured last of each."""
    found: dict[str, DayCosts] = {}
    for one in ledger.decisions(deployment.model, Topic.PERFORMANCE, MEASURED):
        key, figures = str(one.figures.get("partition")), one.figures
        costs = {
            name.removeprefix(COST): float(value)
            for name, value in figures.items()
            if name.startswith(COST) and isinstance(value, float | int)
        }
        if figures.get("version") == deployment.version and costs and key <= through:
            # The newest come first: what was measured again has more labels, or was corrected.
            found.setdefault(key, DayCosts(int(figures["rows"] or 0), costs))
    return found


def cost_figures(costs: Mapping[str, float]) -> Figures:
    """Costs as they are put down beside a day's metric."""
    return {f"{COST}{name}": round(value, 6) for name, value in costs.items()}


def _means(figures: Figures) -> dict[str, float]:
    named: Sequence[tuple[str, object]] = [*figures.items()]
    return {
        name.removeprefix(SIGN): float(value)
        for name, value in named
        if name.startswith(SIGN) and isinstance(value, float | int)
    }
