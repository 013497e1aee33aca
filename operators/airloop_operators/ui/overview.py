"""What the page says of each model, drawn from its spec and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airloop.check import broken
from airloop.contracts import Decision, Deployment
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.settings import Settings
from airloop.specs import Catalog, ModelSpec
from airloop.specs.catalog import CatalogEntry
from airloop.vocabulary import Action, Triage
from airloop_operators.links import REPORTS_PATH
from airloop_operators.ui.pictures import Bar, Point, bars, curve
from airloop_operators.ui.records import Records, read
from airloop_operators.ui.runs import LastRun, last_runs


@dataclass(frozen=True)
class Link:
    """A way on from here."""

    title: str
    url: str


@dataclass(frozen=True)
class RunView:
    """The last run of one kind, and why it ended as it did."""

    kind: str
    run: LastRun
    why: str


@dataclass(frozen=True)
class ModelView:
    """One model's part of the page."""

    name: str
    spec: ModelSpec
    champion: Deployment | None
    age: str
    metric: str
    newest: float | None
    promised: float | None
    performance: str
    drift: str
    drift_words: str
    decisions: Sequence[Decision]
    links: Sequence[Link]
    runs: Sequence[RunView]
    #: What nothing is learned from.
    incidents: Sequence[Incident]
    #: What is other than the loop wrote it: the row that says who serves, and MLflow, as it was last found.
    differs: Sequence[str] = ()
    error: str = ""


@dataclass(frozen=True)
class BrokenView:
    """The part of a model whose spec, dataset or module is wrong: what serves goes on, and what was decided stays."""

    name: str
    error: str
    champion: Deployment | None = None
    age: str = ""
    decisions: Sequence[Decision] = ()
    differs: Sequence[str] = ()


View = ModelView | BrokenView


def overview(
    catalog: Catalog, ledger: Ledger, settings: Settings, now: datetime
) -> tuple[View, ...]:
    """Every model of the catalogue; one that is broken says why.

    :raises AirloopError: if the folder of the specs cannot be listed, or the ledger does not answer
    """
    entries = tuple(broken.models(catalog))
    specs = [entry.spec for entry in entries if entry.spec is not None]
    runs = last_runs({dag for spec in specs for dag in _dags(spec).values()})
    known = read(ledger, [entry.name for entry in entries], specs)
    return tuple(
        _broken(entry, known, now)
        if entry.spec is None
        else _model(entry.spec, known, settings, now, runs)
        for entry in entries
    )


def names_alone(catalog: Catalog) -> tuple[View, ...]:
    """Every model of the catalogue where nothing else can be asked: the settings are wrong.

    :raises AirloopError: if the folder of the specs cannot be listed
    """
    return tuple(BrokenView(entry.name, str(entry.error or "")) for entry in broken.models(catalog))


def _broken(entry: CatalogEntry[ModelSpec], known: Records, now: datetime) -> BrokenView:
    champion = _champion(known, entry.name)
    return BrokenView(
        name=entry.name,
        error=str(entry.error),
        champion=champion,
        age=since(champion.at, now) if champion else "",
        decisions=known.news.get(entry.name, ()),
        differs=_differing(known, entry.name),
    )


def _champion(known: Records, model: str) -> Deployment | None:
    found = known.serving.get(model)
    return found.champion if found is not None else None


def _differing(known: Records, model: str) -> tuple[str, ...]:
    """A sentence each, with what puts it right."""
    serving, mlflow = known.serving.get(model), known.mlflow.get(model)
    told = [serving.doubt] if serving is not None and serving.doubt else []
    if mlflow is not None and mlflow.action is Action.DIFFERS:
        told.append(f"{mlflow.reason}; `airloop reconcile` puts it right.")
    return tuple(told)


def _model(
    spec: ModelSpec,
    known: Records,
    settings: Settings,
    now: datetime,
    runs: Mapping[str, LastRun],
) -> ModelView:
    metric = spec.gates.primary
    champion = _champion(known, spec.name)
    measured = _by_partition(known.measured.get(spec.name, ()), metric)
    nights = _by_partition(known.nights.get(spec.name, ()), "features_drifted")
    promised = _number(measured[-1], "promised") if measured else None
    return ModelView(
        name=spec.name,
        spec=spec,
        champion=champion,
        age=since(champion.at, now) if champion else "",
        metric=metric,
        newest=_number(measured[-1], metric) if measured else None,
        promised=promised,
        performance=curve([_point(decision, metric) for decision in measured], promised),
        drift=bars([_bar(decision) for decision in nights]),
        drift_words=_words(nights),
        decisions=known.news.get(spec.name, ()),
        links=_links(spec, settings, replayed=spec.name in known.replayed),
        runs=_runs(spec, known, runs),
        incidents=known.incidents.get(spec.name, ()),
        differs=_differing(known, spec.name),
    )


def _runs(spec: ModelSpec, known: Records, runs: Mapping[str, LastRun]) -> list[RunView]:
    """The last run of each kind, with what the ledger says of it."""
    told = [*known.runs.get(spec.name, ()), *known.runs.get(spec.dataset, ())]
    why = {one.figures.get("run"): one.reason for one in reversed(told)}
    found = []
    for kind, dag_id in _dags(spec).items():
        if (run := runs.get(dag_id)) is not None:
            failed = f"{', '.join(run.failed)} failed: see its log" if run.failed else ""
            found.append(RunView(kind, run, why.get(run.name) or failed))
    return found


def _dags(spec: ModelSpec) -> dict[str, str]:
    """The DAGs of a model and its dataset, by kind."""
    kinds = ("train", "deploy", "monitor", "score")
    return {"ingest": f"ingest_{spec.dataset}"} | {kind: f"{kind}_{spec.name}" for kind in kinds}


def _by_partition(decisions: Sequence[Decision], figure: str) -> list[Decision]:
    """One record a partition, the newest, in the partitions' order; those without the figure left out."""
    newest: dict[str, Decision] = {}
    for decision in reversed(decisions):  # newest first
        if _number(decision, figure) is not None and decision.figures.get("partition"):
            newest[str(decision.figures["partition"])] = decision
    return [newest[partition] for partition in sorted(newest)]


def _number(decision: Decision, figure: str) -> float | None:
    value = decision.figures.get(figure)
    return float(value) if isinstance(value, int | float) else None


def _point(decision: Decision, metric: str) -> Point:
    partition = str(decision.figures["partition"])
    value = _number(decision, metric) or 0.0
    return Point(partition, value, f"{partition}: {metric} {value:.3f}")


def _bar(decision: Decision) -> Bar:
    partition = str(decision.figures["partition"])
    count = int(_number(decision, "features_drifted") or 0)
    triage = str(decision.figures.get("triage", Triage.NOTHING))
    kinds: dict[str, str] = {
        Triage.DRIFT: "drift",
        Triage.INCIDENT: "incident",
        Triage.SKEW: "incident",
    }
    return Bar(
        partition,
        count,
        kinds.get(triage, "quiet"),
        f"{partition}: {triage}, {count} features moved",
    )


def _words(nights: Sequence[Decision]) -> str:
    """What the bars say, in a sentence."""
    if not nights:
        return "no night looked at yet"
    last = nights[-1]
    return f"{last.figures['partition']}: {last.figures.get('triage')}"


def _links(spec: ModelSpec, settings: Settings, *, replayed: bool) -> tuple[Link, ...]:
    mlflow = settings.mlflow_uri.rstrip("/")
    page = f"{REPORTS_PATH}/{spec.name}/replay/replay.html"
    return (
        *(Link(kind, f"/dags/{dag_id}") for kind, dag_id in _dags(spec).items()),
        Link("MLflow", f"{mlflow}/#/models/{spec.name}"),
        Link("service", f"{settings.serving.url.rstrip('/')}/docs"),
        Link("drift reports", f"{REPORTS_PATH}/{spec.name}"),
        Link("data docs", f"{REPORTS_PATH}/data_docs/{spec.dataset}"),
        *([Link("replay", page)] if replayed else ()),
    )


def since(then: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if count := seconds // size:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
