"""The worst slice: an average may rise while one airline's passengers are served worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airloop.contracts import Check, Outcome
from airloop.errors import SpecError
from airloop.evaluation.case import Case
from airloop.evaluation.comparison import Comparison


@dataclass(frozen=True)
class Slice:
    """The holdout rows with one value in one column."""

    name: str
    rows: npt.NDArray[np.bool_]


def check(case: Case) -> Check:
    """No slice may lose more than the margin, beyond noise, against the champion or else the trivial baseline.

    Noise: the loss must also be certain at the gates' confidence, shared among the slices (Bonferroni), for the more
    slices there are, the likelier one looks bad by chance.
    """
    gates = case.model.gates
    if not gates.slices:
        return Check(name="slices", outcome=Outcome.OK, reason="the spec names no slices")
    against = "the champion" if case.champion else "the trivial baseline"
    other = case.incumbent_scores if case.champion else case.baseline
    judged = case.unseen if case.champion else np.ones(len(case.truth), dtype=bool)
    slices = cut(case, judged)
    if not slices:
        reason = f"no slice has {gates.min_slice_rows} rows"
        return Check(name="slices", outcome=Outcome.UNKNOWN, reason=reason)
    shared = 1 - (1 - gates.confidence) / len(slices)
    results = [(one.name, case.compare(other, one.rows, shared)) for one in slices]
    known = [(name, result) for name, result in results if result.known]
    if not known:
        reason = "the primary metric is defined on no slice"
        return Check(name="slices", outcome=Outcome.UNKNOWN, reason=reason)
    lost = [(name, result) for name, result in known if _lost(result, gates.slice_margin)]
    worst, figure = min(lost or known, key=lambda entry: entry[1].gain)
    reason = f"worst of {len(known)} slices against {against}: {worst} ({figure.gain:+.4f})"
    if lost:
        names = ", ".join(name for name, _ in lost[:5])
        reason = f"{len(lost)} of {len(known)} slices lost against {against}: {names}; {reason}"
    return Check(
        name="slices",
        outcome=Outcome.BAD if lost else Outcome.OK,
        reason=reason,
        figures={"worst": worst, "slices": len(known), **figure.figures()},
    )


def cut(case: Case, judged: npt.NDArray[np.bool_]) -> list[Slice]:
    """The slices that are large enough, of the rows to be judged.

    :raises SpecError: if a slice column is not in the dataset
    """
    slices = []
    for column in case.model.gates.slices:
        if column not in case.holdout.columns:
            raise SpecError(
                "the gates slice by a column that the dataset lacks",
                value=column,
                where=f"config/models/{case.model.name}.yaml, key gates.slices",
                valid=case.dataset.columns,
            )
        values = case.holdout[column].to_numpy()
        for value, count in case.holdout[column][judged].value_counts().items():
            if count >= case.model.gates.min_slice_rows:
                slices.append(Slice(f"{column}={value}", (values == value) & judged))
    return slices


def _lost(result: Comparison, margin: float) -> bool:
    return result.gain < -margin and result.high < 0
