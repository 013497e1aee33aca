"""Validation is never vacuous: what cannot be answered blocks, each with a reason of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest

from airloop.columns import AT, REASONS
from airloop.contracts import Outcome
from airloop.data.lake.streams import whole
from airloop.data.schema import to_pandas
from airloop.data.validation import batches, quality, structure, suite
from airloop.data.validation.datadocs import write_page
from airloop.data.validation.quality import failures, validate
from airloop.data.validation.quarantine import Validated
from airloop.errors import SpecError
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec, Expectation
from tests.unit.data.specimens import DAY, frame, spec

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def _one(column: str, value: object) -> Spoil:
    def spoil(good: pd.DataFrame) -> pd.DataFrame:
        values = good[column].astype(object).tolist()
        values[3] = value
        return good.assign(**{column: values})

    return spoil


def _all(column: str, value: object) -> Spoil:
    return lambda good: good.assign(**{column: [value] * len(good)})


def _raising() -> DatasetSpec:
    """Between numbers, of text: GX's metric itself raises. A spec of before may say so; a new one may not."""
    between = Expectation.model_validate(
        {
            "expect": "expect_column_values_to_be_between",
            "with": {"column": "shop", "min_value": 1, "max_value": 2},
        }
    )
    return spec().model_copy(update={"expectations": (between,)})


def _vacuous() -> DatasetSpec:
    return spec().model_copy(update={"expectations": ()})


SPOILED: dict[str, tuple[Spoil, str, DatasetSpec]] = {
    "empty batch": (lambda good: good.iloc[:0], "the batch is empty: no rows", spec()),
    "no frame at all": (lambda _: pd.DataFrame(), "the batch is empty: no rows", spec()),
    "all-missing text": (_all("shop", None), "all 20 values of shop are missing", spec()),
    "all-missing number": (_all("price", np.nan), "all 20 values of price are missing", spec()),
    "infinite": (_one("price", np.inf), "1 values of price are infinite", spec()),
    "minus infinite": (_one("price", -np.inf), "1 values of price are infinite", spec()),
    "text among numbers": (_one("price", "dear"), "'dear' in row 3 is no float", spec()),
    "numbers for text": (_all("shop", 7), "7 in row 0 is no string", spec()),
    "missing column": (
        lambda good: good.drop(columns="price"),
        f"column price missing in partition {DAY}",
        spec(),
    ),
    "empty suite": (lambda good: good, "the suite is empty", _vacuous()),
    "check raised": (lambda good: good, "the check raised: ", _raising()),
    "another day's rows": (
        _one("day", pd.Timestamp("2013-01-06")),
        f"1 rows have another day than {DAY}",
        spec(),
    ),
}

#: The same seen by Great Expectations alone, with the declared suite: passed, each of them.
PASSED_BY_GX = (
    "empty batch",
    "all-missing number",
    "infinite",
    "empty suite",
    "another day's rows",
)


@pytest.mark.parametrize("case", SPOILED)
def test_what_cannot_be_trusted_blocks_with_its_own_reason(case: str) -> None:
    spoil, reason, its_spec = SPOILED[case]
    found = validate(its_spec, DAY, spoil(frame()))
    assert found.report.outcome in (Outcome.BAD, Outcome.UNKNOWN)
    assert reason in "; ".join(check.reason for check in failures(found.report))
    assert found.good is found.quarantined is None


@pytest.mark.parametrize("case", SPOILED)
def test_the_verdict_does_not_depend_on_where_a_batch_ends(case: str) -> None:
    spoil, _, its_spec = SPOILED[case]
    spoiled = spoil(frame())
    parts = (spoiled.iloc[start : start + 3] for start in range(0, max(1, len(spoiled)), 3))
    whole, came = validate(its_spec, DAY, spoiled).report, validate(its_spec, DAY, parts).report
    assert came == whole


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("pieces", ["7", 7], "a mixture: numbers and texts"),
        ("at", [f"{DAY}T10:00:00Z", f"{DAY}T10:00:00"], "with an offset and without one"),
    ],
)
def test_batches_of_several_kinds_are_one_mixture(
    column: str, values: list[object], reason: str
) -> None:
    """Each alone would be taken; the row is counted over all of them."""
    parts = [frame().assign(**{column: value}) for value in values]
    assert all(validate(spec(), DAY, one).ok for one in parts)
    [failed, *_] = failures(validate(spec(), DAY, iter(parts)).report)
    assert reason in failed.reason
    assert "in row 20 " in failed.reason


def test_of_a_large_partition_arrow_names_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As GX would, which hashes and copies whole columns for it."""
    spoiled = frame()
    spoiled.loc[[4, 9], "price"] = -1.0
    small = validate(spec(), DAY, spoiled).report
    monkeypatch.setattr(quality, "LARGE_ROWS", 1)
    monkeypatch.setattr(quality, "evaluate", lambda *_: pytest.fail("GX is asked"))
    large = validate(spec(), DAY, spoiled).report
    assert [one.reason for one in large.checks if not one.ok] == [
        one.reason for one in small.checks if not one.ok
    ]


def test_every_reason_is_distinct() -> None:
    reasons = [reason for case, (_, reason, _) in SPOILED.items() if case != "no frame at all"]
    different = {reason for reason in reasons if "infinite" not in reason}
    assert len(different) == len(reasons) - 2


@pytest.mark.parametrize("case", PASSED_BY_GX)
def test_great_expectations_alone_passes_it(case: str) -> None:
    """The control: the protection is the wrapper, not the library."""
    spoil, _, its_spec = SPOILED[case]
    expectations = [
        suite.build(one, index, "test") for index, one in enumerate(its_spec.expectations)
    ]
    if case == "empty batch":  # the row count is the one expectation that would notice
        expectations = expectations[1:]
    batch = suite._batch_definition().get_batch(batch_parameters={"dataframe": spoil(frame())})
    result = batch.validate(gx.ExpectationSuite(name="bare", expectations=expectations))
    assert result.success


@pytest.mark.parametrize("case", ["all-missing number", "infinite", "another day's rows"])
def test_without_the_questions_gx_does_not_ask_it_passes(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control inside the wrapper: without the content checks the partition goes in."""
    monkeypatch.setattr(structure, "content_checks", lambda *_: [])
    spoil, _, its_spec = SPOILED[case]
    assert validate(its_spec, DAY, spoil(frame())).ok


def test_good_rows_pass() -> None:
    found = validate(spec(), DAY, frame())
    assert found.ok
    assert failures(found.report) == []
    assert found.good is not None
    assert found.good.num_rows == 20
    assert found.quarantined is not None
    assert found.quarantined.num_rows == 0


def test_impossible_rows_go_to_quarantine_with_their_reasons() -> None:
    spoiled = frame()
    spoiled.loc[[4, 9], "price"] = -1.0
    found = validate(spec(), DAY, spoiled)
    assert found.ok
    assert found.report.quarantined == 2
    good, quarantined = _frames(found)
    assert list(quarantined["id"]) == ["o4", "o9"]
    assert set(quarantined[REASONS]) == {"expect_column_values_to_be_between(price)"}
    assert quarantined[AT].notna().all()
    assert not set(good["id"]) & {"o4", "o9"}
    assert len(good) == 18


def test_too_many_quarantined_rows_refuse_the_partition() -> None:
    spoiled = frame()
    spoiled.loc[:4, "price"] = -1.0
    found = validate(spec(), DAY, spoiled)
    [failed] = failures(found.report)
    assert (
        failed.reason == "5 of 20 rows quarantined (25.00%, max_quarantine_fraction allows 20.00%)"
    )
    assert found.good is None


def test_a_quarantine_that_takes_every_row_refuses_whatever_is_allowed() -> None:
    found = validate(spec(max_quarantine_fraction=1), DAY, frame().assign(price=-1.0))
    assert not found.ok


def test_a_warning_is_reported_and_lets_the_partition_in() -> None:
    found = validate(spec(), DAY, frame().assign(note="zzz"))
    assert found.ok
    [warned] = [check for check in found.report.checks if not check.ok]
    assert warned.figures["severity"] == "warn"
    assert warned.reason.startswith("20 of 20 values fail, such as 'zzz'")


def test_a_column_nobody_depends_on_may_be_wholly_missing() -> None:
    """Weather that did not come must not stop the flights."""
    found = validate(spec(), DAY, frame().assign(note=None))
    assert found.ok
    assert "all 20 values of note are missing" in {check.reason for check in found.report.checks}


def test_of_a_few_rows_a_nullable_column_may_be_wholly_missing() -> None:
    """A row a day lacks a value now and then; a column that must not, may not."""
    row = frame().head(1)
    found = validate(spec(), DAY, row.assign(price=np.nan))
    assert found.ok
    assert "all 1 values of price are missing" in {check.reason for check in found.report.checks}
    assert not validate(spec(), DAY, row.assign(id=None)).ok


def test_what_the_columns_promise_need_not_be_declared_again() -> None:
    twice = validate(spec(), DAY, frame().assign(id="same"))
    assert {check.name for check in failures(twice.report)} == {
        "expect_column_values_to_be_unique(id)"
    }
    missing = validate(spec(), DAY, _one("id", None)(frame()))
    assert {check.name for check in failures(missing.report)} == {"id names every row"}


def test_several_keys_are_unique_together() -> None:
    both = spec(keys=["id", "shop"])
    assert validate(both, DAY, frame()).ok
    twice = validate(both, DAY, frame().assign(id="same"))
    assert {check.name for check in failures(twice.report)} == {
        "expect_compound_columns_to_be_unique(id, shop)"
    }


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("expect_column_values_to_be_betwen", {"column": "price"}, "did you mean"),
        ("expect_column_values_to_be_between", {"column": "price", "min": 1}, "does not take"),
    ],
)
def test_an_expectation_gx_does_not_know_is_named(
    kind: str, arguments: dict[str, Any], message: str
) -> None:
    expectation = Expectation.model_construct(expect=kind, arguments=arguments)
    with pytest.raises(SpecError, match=message):
        suite.build(expectation, 0, "test")


def test_a_result_that_is_missing_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = suite._evaluated(spec().expectations[0], None)
    assert evaluated.outcome is Outcome.UNKNOWN
    monkeypatch.setattr(batches.SuiteCounts, "verdicts", lambda *_: [evaluated])
    monkeypatch.setattr(quality, "evaluate", lambda *_: [evaluated])
    assert not validate(spec(), DAY, frame()).ok


def test_data_docs_are_kept_for_each_attempt(tmp_path: Path) -> None:
    settings = Settings(reports_uri=str(tmp_path))
    for attempt in (1, 2):
        found = validate(
            spec(),
            DAY,
            frame(),
            lambda result, _, n=attempt: write_page(settings, "orders", DAY, n, result),
        )
        assert (
            found.report.docs_uri
            == f"file://{tmp_path}/data_docs/orders/{DAY}/attempt-{attempt}.html"
        )
        page = Path(found.report.docs_uri.removeprefix("file://")).read_text(encoding="utf-8")
        assert "values must be greater than or equal to" in page
        # Nobody learns that the page was opened, and it is whole without a network.
        assert "http://" not in page
        assert "https://" not in page
        assert "fa-check-circle" in page


def test_a_large_partition_is_judged_in_batches_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoiled = frame()
    spoiled.loc[[4, 9], "price"] = -1.0
    small = validate(spec(), DAY, spoiled)
    monkeypatch.setattr(quality, "LARGE_ROWS", 1)
    settings = Settings(reports_uri=str(tmp_path))
    large = validate(
        spec(), DAY, spoiled, lambda results, _: write_page(settings, "orders", DAY, 1, results)
    )
    assert [(one.name, one.outcome) for one in large.report.checks] == [
        (one.name, one.outcome) for one in small.report.checks
    ]
    assert large.report.quarantined == 2
    for mine, theirs in zip(_frames(large), _frames(small), strict=True):
        pd.testing.assert_frame_equal(
            mine.drop(columns=AT, errors="ignore"), theirs.drop(columns=AT, errors="ignore")
        )
    assert large.report.docs_uri is not None
    assert Path(large.report.docs_uri.removeprefix("file://")).exists()


def test_only_the_columns_a_suite_looks_at_are_given_to_gx() -> None:
    expectations = suite.declared_and_implied(spec())
    have = list(spec().columns)
    assert suite.needed_columns(expectations, have) == ["id", "day", "price", "shop", "note"]
    shape = spec(
        expectations=[{"expect": "expect_table_column_count_to_equal", "with": {"value": 8}}]
    )
    assert suite.needed_columns(suite.declared_and_implied(shape), have) == have


def test_gx_reports_to_nobody() -> None:
    import os

    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"


def _frames(found: Validated) -> tuple[pd.DataFrame, pd.DataFrame]:
    assert found.good is not None
    assert found.quarantined is not None
    return to_pandas(whole(found.good)), to_pandas(whole(found.quarantined))


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("gone", [3, 20])
def test_a_key_that_is_missing_is_told_once(nullable: bool, gone: int) -> None:
    rows = frame()
    rows.loc[: gone - 1, "id"] = None
    columns = spec().model_dump(mode="json")["columns"]
    columns["id"]["nullable"] = nullable
    validated = validate(spec(columns=columns), DAY, rows)
    told = f"{gone} of 20 rows of {DAY} have no value in the key column id"
    assert [check.reason for check in failures(validated.report)] == [told]
    assert validated.good is None


def test_a_row_without_a_key_may_go_to_quarantine() -> None:
    rows = frame()
    rows.loc[0, "id"] = None
    asked = {"expect": "expect_column_values_to_not_be_null", "with": {"column": "id"}}
    validated = validate(spec(expectations=[{**asked, "severity": "quarantine"}]), DAY, rows)
    assert validated.ok
    assert validated.quarantined is not None
    assert validated.quarantined.num_rows == 1


SETS = "expect_column_values_to_be_in_set"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("expect", "arguments", "outcome"),
    [
        (SETS, {"column": "day", "value_set": ["2013-01-05"]}, Outcome.OK),
        (SETS, {"column": "day", "value_set": ["2013-01-06"]}, Outcome.BAD),
        (SETS, {"column": "at", "value_set": ["2013-01-05T11:00:00+01:00"]}, Outcome.OK),
        (SETS, {"column": "at", "value_set": ["2013-01-05"]}, Outcome.BAD),
        (SETS, {"column": "pieces", "value_set": list(range(20))}, Outcome.OK),
        (SETS, {"column": "pieces", "value_set": list(range(19))}, Outcome.BAD),
    ],
)
def test_a_verdict_is_the_same_at_any_size(
    expect: str,
    arguments: dict[str, object],
    outcome: Outcome,
    large: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality, "LARGE_ROWS", 1 if large else 1000)
    asked = spec(expectations=[{"expect": expect, "with": arguments}])
    assert validate(asked, DAY, frame()).report.outcome is outcome


def test_dates_are_counted_without_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number: GX's own way would hold them all."""
    monkeypatch.setattr(
        batches, "_on_a_frame", lambda left, *_: [] if not left else pytest.fail("a frame")
    )
    bounds = {"column": "day", "min_value": "2013-01-05", "max_value": "2013-01-05"}
    asked = spec(
        expectations=[
            {"expect": "expect_column_values_to_be_between", "with": bounds},
            {"expect": SETS, "with": {"column": "at", "value_set": [f"{DAY}T10:00:00Z"]}},
        ]
    )
    assert validate(asked, DAY, frame()).ok


@pytest.mark.parametrize(
    ("expect", "column", "low", "high"),
    [
        ("expect_column_values_to_be_between", "day", "2013-01-01", "2013-12-31"),
        ("expect_column_values_to_be_between", "at", "2013-01-05", "2013-01-05T12:00:00+01:00"),
        ("expect_column_max_to_be_between", "day", "2013-01-05", "2013-12-31"),
        ("expect_column_min_to_be_between", "at", "2013-01-05", None),
    ],
)
def test_bounds_on_dates_and_moments_are_as_they_are_written(
    expect: str, column: str, low: str, high: str | None
) -> None:
    def outcome(low: str, high: str | None) -> Outcome:
        bounds = {"column": column, "min_value": low} | ({"max_value": high} if high else {})
        asked = spec(expectations=[{"expect": expect, "with": bounds}])
        return validate(asked, DAY, frame()).report.outcome

    assert outcome(low, high) is Outcome.OK
    assert outcome("2014-01-01", "2014-02-01") is Outcome.BAD
