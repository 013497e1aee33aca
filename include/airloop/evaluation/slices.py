"""The worst slice: an average may rise while one airline's passengers are served worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airloop.contracts import Check, Outcome
from airloop.errors import SpecError
from airloop.evaluation.case import Case
from airloop.evaluation.comparison import Comparison

#: What a spec writes that has no slices, and how many values an input may have to be proposed for one.
NONE, FEW = "none", 20


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
    if gates.slices == NONE:
        return Check(name="slices", outcome=Outcome.OK, reason="the spec says that there are none")
    if not (columns := gates.slices or proposed(case)):
        return _unknown(
            f"no slices are named, and no input has {FEW} values or less: name columns in "
            "gates.slices, or write `slices: none`"
        )
    against = "the champion" if case.champion else "the trivial baseline"
    other = case.incumbent_scores if case.champion else case.baseline
    judged = case.unseen if case.champion else np.ones(len(case.truth), dtype=bool)
    slices = cut(case, judged, columns)
    if not slices:
        return _unknown(_too_small(case, judged, columns))
    shared = 1 - (1 - gates.confidence) / len(slices)
    results = [(one.name, case.compare(other, one.rows, shared)) for one in slices]
    known = [(name, result) for name, result in results if result.known]
    if not known:
        return _unknown("the primary metric is defined on no slice")
    lost = [(name, result) for name, result in known if _lost(result, gates.slice_margin)]
    worst, figure = min(lost or known, key=lambda entry: entry[1].gain)
    reason = f"worst of {len(known)} slices against {against}: {worst} ({figure.gain:+.4f})"
    if not gates.slices:
        taken = ", ".join(columns)
        reason += f"; the spec names none, so the inputs of few values were taken: {taken}"
    if lost:
        names = ", ".join(name for name, _ in lost[:5])
        reason = f"{len(lost)} of {len(known)} slices lost against {against}: {names}; {reason}"
    return Check(
        name="slices",
        outcome=Outcome.BAD if lost else Outcome.OK,
        reason=reason,
        figures={"worst": worst, "slices": len(known), **figure.figures()},
    )


def _unknown(reason: str) -> Check:
    return Check(name="slices", outcome=Outcome.UNKNOWN, reason=reason)


def proposed(case: Case) -> tuple[str, ...]:
    """The inputs by which to slice where the spec does not say: those of few values, more than one."""
    counts = {name: case.holdout[name].nunique() for name in case.model.inputs}
    days = {case.dataset.partition_column, case.dataset.key_column}
    return tuple(name for name, count in counts.items() if 2 <= count <= FEW and name not in days)


def cut(case: Case, judged: npt.NDArray[np.bool_], columns: Sequence[str]) -> list[Slice]:
    """The slices that are large enough, of the rows to be judged.

    :raises SpecError: if a slice column is not in the dataset
    """
    slices = []
    for column in columns:
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


def _too_small(case: Case, judged: npt.NDArray[np.bool_], columns: Sequence[str]) -> str:
    largest = max(case.holdout[name][judged].value_counts().max() for name in columns)
    rows = 0 if np.isnan(largest) else int(largest)
    least = case.model.gates.min_slice_rows
    return (
        f"the largest slice has {rows} rows, gates.min_slice_rows asks for {least}: lower it, or write "
        "gates.slices: none"
    )


def _lost(result: Comparison, margin: float) -> bool:
    return result.gain < -margin and result.high < 0
