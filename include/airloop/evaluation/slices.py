"""The worst slice: an average may rise while one airline's passengers are served worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from airloop.contracts import Check, Outcome
from airloop.errors import SpecError
from airloop.evaluation.case import VETO, Case
from airloop.evaluation.comparison import Comparison
from airloop.evaluation.shrinkage import Pooled, pool

#: What a spec writes that has no slices, and how many values an input may have to be proposed for one.
NONE, FEW = "none", 20


@dataclass(frozen=True)
class Slice:
    """The holdout rows with one value in one column."""

    name: str
    rows: npt.NDArray[np.bool_]


def check(case: Case) -> Check:
    """No slice may lose more than the margin, beyond chance, against the champion or else the trivial baseline.

    The slices are seen together: the more of them there are, the likelier the worst looks bad by chance, and what the
    others say of it counts as much as its own few rows are uncertain (:mod:`airloop.evaluation.shrinkage`).
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
    results = {one.name: case.compare(other, one.rows) for one in slices}
    known = {name: result for name, result in results.items() if result.known}
    if not known:
        return _unknown("the primary metric is defined on no slice")
    check = _seen_together(case, known, f"against {against}")
    if gates.slices:
        return check
    taken = f"the spec names none, so the inputs of few values were taken: {', '.join(columns)}"
    return check.model_copy(update={"reason": f"{check.reason}; {taken}"})


def _seen_together(case: Case, known: Mapping[str, Comparison], against: str) -> Check:
    gates, names = case.model.gates, tuple(known)
    pooled = _pooled([*known.values()])
    high = pooled.gains + stdtrit(pooled.freedom, max(gates.confidence, VETO)) * pooled.errors
    losing = (pooled.gains < -gates.slice_margin) & (high < 0)
    lost = [name for name, loses in zip(names, losing, strict=True) if loses]
    place = int(np.argmin(pooled.gains))
    worst, figure, seen = names[place], known[names[place]], float(pooled.gains[place])
    reason = (
        f"worst of {len(known)} slices {against}: {worst} ({figure.gain:+.4f} alone, "
        f"{seen:+.4f} seen beside the others)"
    )
    if lost:
        reason = (
            f"{len(lost)} of {len(known)} slices lost {against}: {', '.join(lost[:5])}; {reason}"
        )
    return Check(
        name="slices",
        outcome=Outcome.BAD if lost else Outcome.OK,
        reason=reason,
        figures={"worst": worst, "slices": len(known), "pooled": round(seen, 4)} | figure.figures(),
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


def _pooled(results: Sequence[Comparison]) -> Pooled:
    gains, errors, rows, blocks = (
        np.array([getattr(one, name) for one in results], dtype=np.float64)
        for name in ("gain", "error", "rows", "blocks")
    )
    return pool(gains, errors, rows, blocks)
