from __future__ import annotations

from airloop.columns import LABEL
from airloop.contracts import Check, FeatureDrift, Outcome
from airloop.monitoring.health import Finding
from airloop.monitoring.triage import triage
from airloop.vocabulary import DriftKind, Triage


def feature(column: str, outcome: Outcome, psi: float = 0.3) -> FeatureDrift:
    return FeatureDrift(
        column=column,
        outcome=outcome,
        statistic=psi,
        threshold=0.1,
        p_value=0.001,
        reason=f"PSI {psi}",
    )


def performance(outcome: Outcome) -> Check:
    return Check(name="performance", outcome=outcome, reason="roc_auc 0.60 against 0.70")


QUIET = [feature("temp", Outcome.OK, 0.05), feature("dest", Outcome.OK, 0.01)]


def test_nothing_moved() -> None:
    verdict = triage([], QUIET, performance(Outcome.OK))
    assert verdict.triage is Triage.NOTHING
    assert verdict.kinds == ()
    assert "2 of 2 columns judged" in verdict.reason


def test_no_predictions_do_not_hide_drift_and_are_no_drift_themselves() -> None:
    unmeasured = performance(Outcome.UNKNOWN)
    assert triage([], QUIET, unmeasured).triage is Triage.NOTHING
    verdict = triage([], [*QUIET, feature("dewp", Outcome.BAD)], unmeasured)
    assert (verdict.triage, verdict.kinds) == (Triage.DRIFT, (DriftKind.COVARIATE,))


def test_the_kinds_are_named_with_their_columns() -> None:
    moved = [feature("temp", Outcome.BAD, 8.0), feature(LABEL, Outcome.BAD, 0.2), *QUIET]
    verdict = triage([], moved, performance(Outcome.BAD))
    assert verdict.kinds == (DriftKind.COVARIATE, DriftKind.LABEL, DriftKind.CONCEPT)
    assert verdict.reason.startswith("2 columns moved: temp (PSI 8.0); label")
    assert "roc_auc 0.60 against 0.70" in verdict.reason


def test_a_worse_model_on_unchanged_inputs_is_concept_drift() -> None:
    verdict = triage([], QUIET, performance(Outcome.BAD))
    assert (verdict.triage, verdict.kinds) == (Triage.DRIFT, (DriftKind.CONCEPT,))


def test_an_incident_comes_before_drift_and_tells_it_beside() -> None:
    verdict = triage(
        [Finding("all values missing", ("temp",))],
        [feature("dewp", Outcome.BAD)],
        performance(Outcome.BAD),
    )
    assert (verdict.triage, verdict.kinds) == (Triage.INCIDENT, ())
    assert verdict.reason.startswith("all values missing: temp; besides, 1 columns moved: dewp (")


def test_too_little_to_judge_anything_could_not_tell() -> None:
    unsure = FeatureDrift(
        column="temp",
        outcome=Outcome.UNKNOWN,
        statistic=None,
        threshold=0.1,
        p_value=None,
        reason="could not tell: 50 values, fewer than 200",
    )
    verdict = triage([], [unsure], performance(Outcome.UNKNOWN))
    assert verdict.triage is Triage.UNKNOWN
    assert "50 values" in verdict.reason


def test_many_columns_are_counted_and_few_are_named() -> None:
    moved = [feature(f"x{index}", Outcome.BAD, index) for index in range(9)]
    reason = triage([], moved, performance(Outcome.UNKNOWN)).reason
    assert reason.startswith("9 columns moved: x8 ")
    assert reason.endswith("and 5 more")
