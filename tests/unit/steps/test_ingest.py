"""The step: idempotent, fenced, one commit a partition, refusals on record."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.data import sweeping
from airloop.data.lake.lake import Lake
from airloop.data.validation import quality
from airloop.data.validation.quarantine import quarantined_rows
from airloop.errors import DataError, SupersededError, UnreachableError
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from airloop.steps.ingest import Request, Result, run
from airloop.vocabulary import Action, Topic
from tests.unit.data.specimens import frame, spec

DAYS = ("2013-01-05", "2013-01-06", "2013-01-07")


class Shop(Catalog):
    """A catalog of one dataset, whose source is :attr:`days`."""

    def __init__(self) -> None:
        self.days = {day: frame().assign(day=pd.Timestamp(day)) for day in DAYS}

    def dataset(self, name: str) -> DatasetSpec:
        return spec(source={"kind": "python", "function": "a_shop:rows"})


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    found = Shop()
    module = ModuleType("a_shop")
    module.rows = lambda partition: [found.days[partition]]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_shop", module)
    return found


@pytest.fixture
def context(shop: Shop, tmp_path: Path) -> StepContext:
    settings = Settings(
        lake_uri=str(tmp_path / "lake"),
        reports_uri=str(tmp_path / "reports"),
        ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    return StepContext(settings, shop, open_ledger(settings), tmp_path)


def ingest(context: StepContext, day: str = DAYS[0]) -> Result:
    fence = context.ledger.begin_attempt(f"ingest:orders:{day}")
    return run(Request(fence=fence, dataset="orders", partition=day), context)


def test_a_partition_goes_in_with_its_report_and_its_docs(context: StepContext) -> None:
    result = ingest(context)
    assert result.report.outcome is Outcome.OK
    assert result.dataset.rows == 20
    assert result.report.docs_uri is not None
    assert Path(result.report.docs_uri.removeprefix("file://")).exists()
    assert list(Lake(context.settings).read(result.dataset)["id"]) == list(frame()["id"])


def test_running_it_twice_changes_nothing(context: StepContext) -> None:
    assert ingest(context).dataset == ingest(context).dataset


def test_the_order_of_the_rows_does_not_matter(context: StepContext, shop: Shop) -> None:
    first = ingest(context)
    shop.days[DAYS[0]] = shop.days[DAYS[0]].sample(frac=1, random_state=0)
    assert ingest(context).dataset == first.dataset


def test_corrected_rows_replace_the_partition(context: StepContext, shop: Shop) -> None:
    first = ingest(context)
    shop.days[DAYS[0]].loc[0, "price"] = 9.0
    second = ingest(context)
    assert second.dataset.digest != first.dataset.digest
    assert Lake(context.settings).read(second.dataset)["price"].max() == 9.0
    assert Lake(context.settings).read(first.dataset)["price"].max() == 1.5


def test_a_refused_partition_leaves_what_was_there_and_is_on_record(
    context: StepContext, shop: Shop
) -> None:
    first = ingest(context)
    shop.days[DAYS[0]] = shop.days[DAYS[0]].drop(columns="price")
    with pytest.raises(DataError) as error:
        ingest(context)
    assert "partition 2013-01-05 of orders is refused: column price missing" in str(error.value)
    lake = Lake(context.settings)
    assert lake.snapshot("orders", [DAYS[0]]) == first.dataset
    [decision] = context.ledger.decisions("orders", Topic.VALIDATION)
    assert decision.action is Action.REFUSED
    assert decision.figures["partition"] == DAYS[0]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: rows.drop(columns="price"), "column price missing"),
        (lambda rows: rows.assign(price="<b>dear</b>"), "column price is wrongly typed"),
        (lambda rows: rows.head(0), "the batch is empty"),
    ],
    ids=["column", "type", "rows"],
)
def test_a_partition_refused_for_its_shape_has_a_page_that_says_why_and_an_alert(
    context: StepContext,
    shop: Shop,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[pd.DataFrame], pd.DataFrame],
    says: str,
) -> None:
    shop.days[DAYS[0]] = spoil(shop.days[DAYS[0]])
    with pytest.raises(DataError) as error:
        ingest(context)
    page = Path(error.value.where.removeprefix("file://")).read_text(encoding="utf-8")
    assert says in page
    assert "<b>" not in page
    (alert,) = [one.getMessage() for one in caplog.records if one.name == "airloop.alert"]
    assert alert.startswith(f"partition refused in {DAYS[0]} of orders: ")
    assert says in alert


def test_without_validation_the_spoiled_partition_would_go_in(
    context: StepContext, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    for checks in ("shape_checks", "content_checks"):
        monkeypatch.setattr(quality.structure, checks, lambda *_: [])
    monkeypatch.setattr(quality, "_evaluated", lambda *_: [])
    shop.days[DAYS[0]] = shop.days[DAYS[0]].drop(columns="price")
    assert ingest(context).dataset.rows == 20


def test_quarantined_rows_are_kept_apart_and_counted(context: StepContext, shop: Shop) -> None:
    shop.days[DAYS[0]].loc[[3, 4], "price"] = -1.0
    result = ingest(context)
    assert (result.dataset.rows, result.report.quarantined) == (18, 2)
    apart = quarantined_rows(Lake(context.settings), result.dataset)
    assert list(apart["id"]) == ["o3", "o4"]
    [decision] = context.ledger.decisions("orders", Topic.VALIDATION)
    assert (decision.action, decision.figures["quarantined"]) == (Action.QUARANTINE, 2)
    assert ingest(context).dataset == result.dataset


def test_rows_that_were_corrected_leave_the_quarantine(context: StepContext, shop: Shop) -> None:
    good = shop.days[DAYS[0]].copy()
    shop.days[DAYS[0]].loc[[3, 4], "price"] = -1.0
    ingest(context)
    shop.days[DAYS[0]] = good
    result = ingest(context)
    assert result.dataset.rows == 20
    assert quarantined_rows(Lake(context.settings), result.dataset).empty


def test_a_stale_attempt_is_superseded_and_changes_nothing(context: StepContext) -> None:
    stale = context.ledger.begin_attempt(f"ingest:orders:{DAYS[0]}")
    first = ingest(context)
    with pytest.raises(SupersededError, match="superseded by attempt 2"):
        run(Request(fence=stale, dataset="orders", partition=DAYS[0]), context)
    assert Lake(context.settings).snapshot("orders", [DAYS[0]]) == first.dataset


def test_a_range_commits_each_partition_on_its_own(context: StepContext, shop: Shop) -> None:
    shop.days[DAYS[1]] = shop.days[DAYS[1]].iloc[:0]
    fence = context.ledger.begin_attempt("ingest:orders:range")
    with pytest.raises(DataError, match=r"1 of 3 partitions refused: .*the batch is empty"):
        run(Request(fence=fence, dataset="orders", partitions=DAYS), context)
    assert Lake(context.settings).partitions("orders") == (DAYS[0], DAYS[2])
    good = Request(fence=fence, dataset="orders", partitions=(DAYS[0], DAYS[2]))
    result = run(good, context)
    assert result.dataset.partitions == (DAYS[0], DAYS[2])
    assert [one.report.outcome for one in result.partitions] == [Outcome.OK, Outcome.OK]


def test_a_request_names_one_partition_or_several(context: StepContext) -> None:
    fence = context.ledger.begin_attempt("k")
    for wrong in ({}, {"partition": DAYS[0], "partitions": DAYS}):
        with pytest.raises(ValueError, match="either partition or partitions"):
            Request.model_validate({"fence": fence, "dataset": "orders", **wrong})


def sweeps(context: StepContext) -> list[str]:
    return [decision.action for decision in context.ledger.decisions("orders", "sweep")]


def test_the_lake_is_swept_once_a_day(context: StepContext) -> None:
    for day in DAYS:
        ingest(context, day)
    assert sweeps(context) == ["nothing"]


def test_a_sweep_that_fails_does_not_fail_the_ingest(
    context: StepContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise UnreachableError("the lake went away")

    monkeypatch.setattr(sweeping, "sweep", fails)
    assert ingest(context).dataset.rows == 20
    assert sweeps(context) == []
    assert "could not be swept: the lake went away" in caplog.text
