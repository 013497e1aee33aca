"""Where MLflow says something else than the ledger: found in a few requests, each with what puts it right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airloop.contracts import Decision, ModelVersion
from airloop.delivery import mending
from airloop.delivery.mirror import Shown, shown, wanted_aliases
from airloop.errors import GateError
from airloop.evaluation.warrant import prove
from airloop.ledger import Ledger
from airloop.registry import models
from airloop.registry.listing import ListedRun, ListedVersion, Listing, listing, runs_of
from airloop.settings import Settings
from airloop.vocabulary import Action, DeploymentKind, Topic

#: How long after a delivery its aliases may still be on their way.
GRACE = timedelta(minutes=2)
#: The verdict, as people see it on the run.
GATES = "airloop.gates"


@dataclass(frozen=True)
class Difference:
    """One thing that a hand has done in MLflow."""

    model: str
    says: str
    #: Puts it right, or on record where nothing can; returns which.
    mend: Callable[[], str]

    def __str__(self) -> str:
        return f"{self.model}: {self.says}"


class Comparison:
    """The ledger beside MLflow, at one moment."""

    def __init__(self, ledger: Ledger, settings: Settings, grace: timedelta = GRACE) -> None:
        self.ledger, self.settings = ledger, settings
        self.since = datetime.now(UTC) - grace
        self.known: Mapping[str, Shown] = shown(ledger)
        self.seen: Listing = listing(settings)

    def differences(self) -> list[Difference]:
        """All of them.

        :raises UnreachableError: if MLflow does not answer
        """
        found = [one for model in sorted(self.known) for one in self._model(model)]
        return found + list(self._runs())

    def unknown(self) -> Iterator[ModelVersion]:
        """Versions of which no registration is on record though the ledger proves them: those of before there were any."""
        for model, known in self.known.items():
            runs = known.runs
            for number, listed in sorted(self.seen.versions.get(model, {}).items()):
                version = self._proven(model, listed)
                if version is None or number <= known.registered:
                    continue
                if number in known.versions or listed.run_id not in runs:
                    runs.add(listed.run_id)
                    yield version

    def _model(self, model: str) -> Iterator[Difference]:
        known, settings = self.known[model], self.settings
        retired = known.last is not None and known.last.kind is DeploymentKind.RETIRE
        if retired and model not in self.seen.aliases:
            return  # Nothing of it serves or trains: who cleans up is not undone.
        if experiment := self.seen.deleted_experiments.get(model):
            yield Difference(
                model,
                "its experiment was deleted, and with it every run",
                lambda: mending.restore_experiment(experiment, settings),
            )
        if model not in self.seen.aliases:
            yield Difference(
                model,
                f"the registered model is gone; the ledger knows {len(known.versions)} of its versions",
                lambda: mending.restore_model(model, known, settings),
            )
            return
        for number in sorted({*known.versions, *self.seen.versions[model]}):
            yield from self._version(model, number)
        if known.last is None or known.last.at <= self.since:
            yield from self._aliases(model)

    def _version(self, model: str, number: int) -> Iterator[Difference]:
        known, listed = self.known[model], self.seen.versions[model].get(number)
        mine, ledger, settings = known.versions.get(number), self.ledger, self.settings
        if listed is None:
            if mine and (number, mine.run_id, Action.GONE) not in known.settled:
                says = f"version {number} was deleted"
                yield Difference(model, says, lambda: mending.put_down_gone(mine, ledger))
        elif mine and mine.run_id in ("", listed.run_id):
            wrong = mending.wrong_tags(mine, listed.tags, whole=number <= known.registered)
            if wrong:
                says = f"version {number} says other than the ledger: {', '.join(sorted(wrong))}"
                yield Difference(
                    model, says, lambda: mending.set_tags(model, number, wrong, settings)
                )
        elif (number, listed.run_id, Action.REFUSED) not in known.settled and (
            mine or listed.run_id in known.runs or self._proven(model, listed) is None
        ):
            yield Difference(
                model,
                f"version {number} was made by hand of run {listed.run_id}: the ledger does not prove it",
                lambda: mending.mark_unproven(model, number, listed.run_id, ledger, settings),
            )

    def _proven(self, model: str, listed: ListedVersion) -> ModelVersion | None:
        version = models.as_version(model, listed.number, listed.run_id, listed.tags)
        try:
            if version is not None:
                prove(version, self.ledger)
        except GateError:
            return None
        return version

    def _aliases(self, model: str) -> Iterator[Difference]:
        known, there = self.known[model], self.seen.aliases[model]
        versions = self.seen.versions[model]
        for alias, number in wanted_aliases(self.ledger, model, known).items():
            wanted = number if number in versions else None
            named = there.get(alias)
            if named == wanted:
                continue
            told = f"names version {named}" if named else "names none"
            right = f"version {wanted}" if wanted else "none"
            yield Difference(
                model,
                f"alias {alias} {told}; by the ledger it is {right}",
                lambda alias=alias, wanted=wanted: mending.set_alias(  # type: ignore[misc]
                    model, alias, wanted, self.settings
                ),
            )

    def _runs(self) -> Iterator[Difference]:
        """The runs of the versions that are used, and the last one that was judged."""
        used = {
            one.run_id: one for known in self.known.values() for one in known.used if one.run_id
        }
        judged = {
            str(one.figures["run_id"]): one
            for one in self.ledger.newest_decisions(Topic.GATE).values()
        }
        there = runs_of({*used, *judged}, self.settings)
        for run, version in used.items():
            if version.model not in self.seen.deleted_experiments:
                yield from self._run(version, there.get(run))
        for run, verdict in judged.items():
            if run in there:
                yield from self._verdict(verdict, run, there[run])

    def _run(self, version: ModelVersion, listed: ListedRun | None) -> Iterator[Difference]:
        number, run, model = version.version, version.run_id, version.model
        settled = (number, run, Action.LOST) in self.known[model].settled
        if listed is None and not settled:
            says = f"run {run} of version {number} is gone for good, and the model's files with it"
            yield Difference(model, says, lambda: mending.put_down_lost(version, self.ledger))
        elif listed is not None and not listed.active:
            says = f"run {run} of version {number} was deleted"
            yield Difference(model, says, lambda: mending.restore_run(run, self.settings))

    def _verdict(self, verdict: Decision, run: str, listed: ListedRun) -> Iterator[Difference]:
        says = listed.tags.get(GATES)
        if says != verdict.action and listed.active and verdict.at <= self.since:
            yield Difference(
                verdict.entity,
                f"run {run} says of its gates {says!r}; by the ledger it is {verdict.action.value!r}",
                lambda: mending.set_run_tag(run, GATES, verdict.action, self.settings),
            )


def differences(ledger: Ledger, settings: Settings) -> list[Difference]:
    """All that there are now; a ledger that knows no version is not compared, and MLflow not asked.

    :raises UnreachableError: if MLflow or the ledger does not answer
    """
    return Comparison(ledger, settings).differences() if shown(ledger) else []
