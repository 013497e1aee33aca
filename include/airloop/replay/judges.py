"""The gates of a replay: the standing ones and the model's own, asked once about each pair, remembered on disk."""

from __future__ import annotations

import hashlib
import logging
import sys
from functools import cached_property
from pathlib import Path

from airloop.contracts import ArtifactRef, Candidate, DatasetRef, GateReport, Outcome
from airloop.evaluation.case import Case, Champion
from airloop.evaluation.gates import judge
from airloop.evaluation.metrics import evaluate
from airloop.plugins.registry import GATES, load_path
from airloop.replay.fits import Fits, Made
from airloop.storage.files import Files

_NO_DIGEST = "sha256:" + "0" * 64


class Judges:
    """Asks the gates about candidates against champions."""

    def __init__(self, fits: Fits, files: Files) -> None:
        self._fits, self._files = fits, files

    def ask(self, candidate: Made, champion: Made) -> GateReport:
        """The gates' report on a candidate of a night, against who served then."""
        name = f"gates/{self._name(candidate, champion)}.json"
        content = self._files.read(name)
        if content is not None:
            return GateReport.model_validate_json(content)
        report = self._judged(candidate.judged, champion)
        # A gate that could not tell may have had an accident: the next replay asks it again.
        if report.outcome is not Outcome.UNKNOWN:
            self._files.write(name, report.model_dump_json().encode())
        return report

    def _judged(self, candidate: Made, champion: Made) -> GateReport:
        past, split = self._fits.past, self._fits.split(candidate)
        days, loaded = self._fits.days(candidate), self._fits.loaded(candidate)
        held = split.holdout
        metrics = evaluate(
            past.model.goal,
            past.model.answer.truths(held.truth),
            loaded.predict(held.frame),
            past.model.metrics,
        )
        case = Case(
            model=past.model,
            dataset=past.dataset,
            candidate=Candidate(
                model=past.model.name,
                run_id="replay",
                artifact=ArtifactRef(uri="replay", digest=_NO_DIGEST),
                dataset=DatasetRef(
                    name=past.dataset.name,
                    uri="replay",
                    version=0,
                    partitions=days.all,
                    rows=len(split.everything),
                    digest=_NO_DIGEST,
                ),
                holdout=days.holdout,
                metrics=metrics,
            ),
            split=split,
            open=lambda: loaded,
            champion=Champion(1, lambda: self._fits.loaded(champion)),
        )
        # Each gate's line is for who waits for one candidate; here there are hundreds.
        logging.getLogger("airloop.gates").setLevel(logging.WARNING)
        return judge(case)

    def _name(self, candidate: Made, champion: Made) -> str:
        gates = f"{self._fits.past.model.gates.model_dump_json()}{self._texts}"
        both = [self._fits.name(one) for one in (candidate.judged, champion, champion.judged)]
        return hashlib.sha256(f"{both}{gates}".encode()).hexdigest()[:32]

    @cached_property
    def _texts(self) -> list[str]:
        """A digest of the module of each gate of the project's own."""
        found = []
        for own in self._fits.past.model.gates.own:
            if isinstance(own, str):
                load_path(GATES, own)
                file = sys.modules[own.partition(":")[0]].__file__
                found.append(hashlib.sha256(Path(file).read_bytes() if file else b"").hexdigest())
        return found
