"""The step through a real lake and a real ledger; only the artifact's download is replaced by a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from airloop.columns import MODEL_VERSION, PARTITION, PREDICTED_AT, PREDICTION
from airloop.contracts import ArtifactRef, DriftReport, Outcome
from airloop.data import parting, snapshot
from airloop.data.lake import written
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.schema import arrow_schema
from airloop.data.snapshot import Part
from airloop.data.unsound import unsound
from airloop.errors import ArtifactError, RequestError, SupersededError
from airloop.execution.context import StepContext
from airloop.ledger import Ledger
from airloop.monitoring import reference, window
from airloop.monitoring.reference import Reference
from airloop.plugins import metric
from airloop.settings import Settings
from airloop.specs import Catalog, DatasetSpec, ModelSpec
from airloop.steps import monitor
from airloop.training.validation import with_training
from airloop.vocabulary import Action, DriftKind, IncidentStatus, Triage

DATASET = {
    "description": "a small world",
    "owner": "tests",
    "source": {"kind": "python", "function": "airloop.contracts:Contract"},
    "partition_column": "day",
    "start": "2013-01-01",
    "keys": ["id"],
    "columns": {
        "id": {"type": "string", "nullable": False},
        "day": {"type": "date", "nullable": False},
        "carrier": {"type": "string"},
        "temp": {"type": "float"},
        "wind": {"type": "float"},
        "y": {"type": "float", "known": "after"},
    },
    "expectations": [
        {
            "expect": "expect_table_row_count_to_be_between",
            "with": {"min_value": 1, "max_value": 9999},
        }
    ],
}
MODEL = {
    "description": "a guess",
    "owner": "tests",
    "dataset": "world",
    "module": "airloop.contracts",
    "task": "classification",
    "target": {"column": "y", "delay_days": 1},
    "inputs": ["day", "carrier", "temp", "wind"],
    "gates": {"primary": "roc_auc", "absolute": {"roc_auc": {"min": 0.5}}},
    "serving": {"event_time": "day"},
    "monitoring": {"window_days": 3},
}
#: Those of the champion's reference.
DAYS = [f"{day:%Y-%m-%d}" for day in pd.date_range("2013-01-01", periods=40)]
Make = Callable[..., pd.DataFrame]
_PROFILES: dict[str, Reference] = {}


def rows_of(day: str, rows: int = 400, warmer: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(int(day.replace("-", "")))
    temp = random.normal(40 + random.normal(0, 3), 5, rows)
    return pd.DataFrame(
        {
            "id": [f"{day}-{index}" for index in range(rows)],
            "day": pd.Timestamp(day).date(),
            "carrier": random.choice(["AA", "B6", "UA"], rows),
            "temp": temp + warmer,
            "wind": random.normal(10, 2, rows),
            "y": (random.normal(temp - temp.mean(), 5) > 0).astype(float),
        }
    )


def profile_of(model: ModelSpec, dataset: DatasetSpec) -> Reference:
    """The champion's reference. It takes a second, and of the same specs is the same in every test."""
    key = model.model_dump_json() + dataset.model_dump_json()
    if key not in _PROFILES:
        frames = [rows_of(day) for day in DAYS]
        frame, last = pd.concat(frames), pd.concat(frames[-10:], ignore_index=True)
        score = last["temp"] - last.groupby("day")["temp"].transform("mean")
        _PROFILES[key] = reference.build(
            model,
            dataset,
            frame,
            1 / (1 + np.exp(-score / 5)),
            labels=frame["y"],
            holdout={"roc_auc": 0.78},
            held=Part(last, last["y"], 0),
        )
    return _PROFILES[key]


class World:
    """A lake with a reference of 40 days, a champion, and nights to add."""

    def __init__(self, home: Path, config: Path) -> None:
        self.settings = Settings(lake_uri=str(home / "lake"), reports_uri=str(home / "reports"))
        self.catalog = Catalog(config)
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.lake = Lake(self.settings)
        self.model, self.dataset = self.catalog.model("guess"), self.catalog.dataset("world")
        self.artifact = home / "artifact"
        self.artifact.mkdir()
        self.context = StepContext(self.settings, self.catalog, self.ledger, home)

    def ingest(self, day: str, frame: pd.DataFrame) -> None:
        schema = arrow_schema(self.dataset)
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        fence = self.ledger.begin_attempt(f"ingest:world:{day}")
        digest = rows_digest(table, without=["day"])
        self.lake.replace_partition(
            "world", day, table, partition_column="day", fence=fence, digest=digest
        )

    def train(self) -> None:
        for day in DAYS[-3:]:
            self.ingest(day, rows_of(day))
        reference.write(profile_of(self.model, self.dataset), self.artifact)
        self.ledger.record_deployment(
            self.ledger.begin_attempt("promote:guess"),
            model="guess",
            version=1,
            artifact=ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64),
            kind="promote",
            reason="first",
        )

    def predict(self, day: str, frame: pd.DataFrame, skill: float = 1.0, version: int = 1) -> None:
        random = np.random.default_rng(0)
        score = skill * (frame["temp"] - frame["temp"].mean()) / 5 + (1 - skill) * random.normal(
            size=len(frame)
        )
        table = pa.table(
            {
                "id": frame["id"].tolist(),
                PARTITION: [day] * len(frame),
                PREDICTION: (1 / (1 + np.exp(-score))).tolist(),
                PREDICTED_AT: [datetime(2013, 1, 1, tzinfo=UTC)] * len(frame),
                MODEL_VERSION: [version] * len(frame),
            }
        )
        self.lake.append_once(
            "predictions__guess",
            table,
            partition_by=PARTITION,
            app_id=f"p:{day}:{version}",
            sequence=1,
        )

    def nights(self, days: list[str], **how: Any) -> None:
        for day in days:
            self.ingest(day, rows_of(day, **how))

    def monitor(self, partition: str) -> monitor.Result:
        fence = self.ledger.begin_attempt(f"monitor:guess:{partition}")
        request = monitor.Request(model="guess", partition=partition, fence=fence)
        return monitor.run(request, self.context)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for kind, name, spec in (("datasets", "world", DATASET), ("models", "guess", MODEL)):
        folder = tmp_path / "config" / kind
        folder.mkdir(parents=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **spec}))
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    made = World(tmp_path, tmp_path / "config")
    monkeypatch.setattr(monitor, "fetch", lambda artifact, settings: made.artifact)
    # Evidently costs seconds to import; its page has a test of its own.
    monkeypatch.setattr(monitor.report, "render", lambda now, before, reference: "<html></html>")
    made.train()
    return made


QUIET = ["2013-02-10", "2013-02-11", "2013-02-12"]


def test_a_quiet_night_waits_and_records_why(world: World) -> None:
    world.nights(QUIET)

    result = world.monitor("2013-02-12")

    assert result.report.triage is Triage.NOTHING
    assert result.decision.action == Action.WAIT
    assert result.trigger is None
    assert result.created
    assert "no predictions" in result.report.reason
    recorded = world.ledger.decisions("guess", "retraining")
    assert [one.id for one in recorded] == [result.decision.id]


def test_a_shifted_night_retrains_once_however_often_it_is_replayed(world: World) -> None:
    world.nights(QUIET, warmer=40.0)

    first, *others = [world.monitor("2013-02-12") for _ in range(3)]

    assert first.report.triage is Triage.DRIFT
    assert first.report.kinds == (DriftKind.COVARIATE,)
    assert first.decision.action == Action.RETRAIN
    assert "temp" in first.decision.reason
    assert first.created
    assert first.trigger is not None
    assert {(other.trigger, other.created) for other in others} == {(first.trigger, False)}
    assert len(world.ledger.open_triggers("guess")) == 1


def test_an_old_night_of_drift_trains_nothing_on_newer_data(world: World) -> None:
    world.nights([*QUIET, "2013-02-19"], warmer=40.0)

    result = world.monitor("2013-02-12")

    assert result.report.triage is Triage.DRIFT
    assert (result.decision.action, result.trigger) == (Action.WAIT, None)
    assert "the night is old: a training learns from the data up to 2013-02-19" in (
        result.decision.reason
    )


def test_a_broken_night_alerts_and_trains_nothing(world: World) -> None:
    world.nights(QUIET[:2])
    world.ingest(QUIET[2], rows_of(QUIET[2]).assign(temp=np.nan, wind=np.nan))

    result = world.monitor(QUIET[2])

    assert result.report.triage is Triage.INCIDENT
    assert result.report.reason.startswith("all values missing: temp, wind")
    assert result.decision.action == Action.ALERT
    assert result.trigger is None
    unsure = {one.column for one in result.report.features if one.outcome is Outcome.UNKNOWN}
    assert unsure >= {"temp", "wind"}


def test_the_night_after_a_broken_one_is_judged_on_what_is_sound(world: World) -> None:
    world.nights(["2013-02-10", "2013-02-12"])
    world.ingest("2013-02-11", rows_of("2013-02-11").assign(temp=np.nan))
    assert world.monitor("2013-02-12").report.triage is Triage.NOTHING


def test_a_missing_partition_is_an_incident_and_not_a_crash(world: World) -> None:
    result = world.monitor("2013-09-09")
    assert result.report.triage is Triage.INCIDENT
    assert result.report.reason.startswith("the partition 2013-09-09 is missing")
    assert result.report.report_uri is None


def test_late_labels_are_joined_and_the_metric_of_each_date_is_recorded(world: World) -> None:
    world.nights(QUIET)
    for day in QUIET:
        world.predict(day, rows_of(day))

    result = world.monitor("2013-02-12")

    # The labels of the night itself are complete a day later.
    assert result.report.performance["labelled"] == 800
    assert result.report.performance["unmatched"] == 0
    assert 0.7 < result.report.performance["roc_auc"] < 0.9
    assert result.report.triage is Triage.NOTHING
    days = {one.figures["partition"] for one in world.ledger.decisions("guess", "performance")}
    assert days == {"2013-02-10", "2013-02-11"}


def test_a_date_is_measured_again_when_more_labels_arrive(world: World) -> None:
    world.nights(QUIET)
    late = rows_of("2013-02-11")
    world.predict("2013-02-11", late)
    world.ingest("2013-02-11", late.assign(y=late["y"].where(late.index < 250)))
    world.monitor("2013-02-12")
    world.ingest("2013-02-11", late)
    world.monitor("2013-02-12")
    rows = [one.figures["rows"] for one in world.ledger.decisions("guess", "performance")]
    assert rows == [400, 250]


def test_a_model_that_lost_its_skill_is_concept_drift(world: World) -> None:
    nights = [f"2013-02-{day}" for day in range(10, 15)]
    world.nights(nights)
    for day in nights:
        world.predict(day, rows_of(day), skill=0.0)
    result = world.monitor("2013-02-14")
    assert DriftKind.CONCEPT in result.report.kinds
    assert result.trigger is not None
    assert result.trigger.cause == "performance"


def test_what_earlier_nights_have_measured_tells_since_when_answers_cost_more(world: World) -> None:
    nights = [f"2013-02-{day}" for day in range(10, 20)]
    for day in nights:
        rows = rows_of(day)
        worse = day >= "2013-02-17"
        # Whose label is turned in four of ten rows: the model is as it was, the world is not.
        turned = np.random.default_rng(1).random(len(rows)) < 0.4 * worse
        world.ingest(day, rows.assign(y=np.where(turned, 1 - rows["y"], rows["y"])))
        world.predict(day, rows)
    said = [world.monitor(day).report for day in nights[1:]]
    concept = [DriftKind.CONCEPT in one.kinds for one in said]
    # Of the 17th and 18th the labels are complete on the 19th.
    assert concept == [False] * (len(said) - 1) + [True]
    assert "since 2013-02-17 (e-value" in said[-1].reason


def test_predictions_of_another_version_say_nothing_of_the_champion(world: World) -> None:
    world.nights(QUIET)
    for day in QUIET:
        world.predict(day, rows_of(day), skill=0.0, version=7)
    assert world.monitor("2013-02-12").report.triage is Triage.NOTHING


def test_a_quiet_nights_page_is_drawn_when_somebody_asks(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It was nine tenths of what such a night costs, and 4 MB."""
    drawn: list[str] = []
    monkeypatch.setattr(monitor.report, "render", lambda *_: drawn.append("page") or "<html>")
    world.nights(QUIET)
    result = world.monitor("2013-02-12")
    folder = tmp_path / "reports" / "guess" / "2013-02-12"
    assert result.report.report_uri == (folder / "drift.json").as_uri()
    assert "2013-02-12" in (folder / "drift.json").read_text()
    assert drawn == []
    kept = monitor.report.kept(world.settings, "guess", "2013-02-12")
    assert kept is not None
    profile = reference.read(world.artifact)
    where = world.settings, world.lake, world.model, world.dataset
    assert monitor.report.draw(*where, profile, kept) == (folder / "drift.html").as_uri()
    assert drawn == ["page"]
    assert monitor.report.kept(world.settings, "guess", "2013-02-11") is None


def test_the_pages_of_nights_that_drifted_share_their_library(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = f"<script>drawDashboard(); {'//' * 400_000}</script>"
    monkeypatch.setattr(monitor.report, "render", lambda *_: page)
    world.nights(QUIET, warmer=40.0)
    for night in ("2013-02-11", "2013-02-12"):
        result = world.monitor(night)
        kept = tmp_path / "reports" / "guess" / night / "drift.html"
        assert result.report.report_uri == kept.as_uri()
        (script,) = (tmp_path / "reports" / "Assets").iterdir()
        assert f'<script src="../../Assets/{script.name}"></script>' == kept.read_text()
        assert b"drawDashboard" in script.read_bytes()


def test_a_report_that_cannot_be_made_costs_no_verdict(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError("inside the library")

    monkeypatch.setattr(monitor.report, "render", broken)
    world.nights(QUIET, warmer=40.0)
    result = world.monitor("2013-02-12")
    assert result.decision.action == Action.RETRAIN
    assert result.report.report_uri is None
    assert "could not be made: ZeroDivisionError: inside the library" in result.report.reason


def test_a_night_with_nothing_to_show_has_its_one_reason(world: World) -> None:
    result = world.monitor("2013-09-09")
    assert result.report.report_uri is None
    assert "Evidently" not in result.report.reason


def test_a_superseded_attempt_decides_nothing(world: World) -> None:
    world.nights(QUIET, warmer=40.0)
    stale = world.ledger.begin_attempt("monitor:guess:2013-02-12")
    world.ledger.begin_attempt("monitor:guess:2013-02-12")
    request = monitor.Request(model="guess", partition="2013-02-12", fence=stale)
    with pytest.raises(SupersededError):
        monitor.run(request, world.context)
    assert world.ledger.decisions("guess") == []
    assert world.ledger.open_triggers("guess") == []


def test_the_reference_is_the_champions_and_never_takes_in_a_night(world: World) -> None:
    before = (world.artifact / reference.FILE).read_bytes()
    world.nights(QUIET, warmer=40.0)
    world.monitor("2013-02-12")
    assert (world.artifact / reference.FILE).read_bytes() == before


def test_without_a_champion_the_remedy_is_said(world: World, tmp_path: Path) -> None:
    world.context = StepContext(
        world.settings, world.catalog, Ledger(f"sqlite:///{tmp_path / 'other.db'}"), tmp_path
    )
    with pytest.raises(RequestError, match=r"no champion.*run train_guess"):
        world.monitor("2013-02-12")


def test_a_champion_without_a_reference_is_refused(world: World) -> None:
    (world.artifact / reference.FILE).unlink()
    with pytest.raises(ArtifactError, match="train the model again"):
        world.monitor("2013-02-12")


def in_celsius(day: str) -> pd.DataFrame:
    frame = rows_of(day)
    return frame.assign(temp=(frame["temp"] - 32) / 1.8)


NIGHTS = [f"2013-02-{day}" for day in range(10, 20)]


def test_what_broke_is_remembered_and_nothing_is_learned_from_it(world: World) -> None:
    world.nights(NIGHTS[:2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]))

    result = world.monitor(NIGHTS[2])

    assert result.report.triage is Triage.INCIDENT
    assert "°F → °C" in result.report.reason
    [incident] = world.ledger.incidents("guess")
    assert (incident.partition, incident.columns) == (NIGHTS[2], ("temp",))
    left_out = unsound(world.ledger, world.model, world.dataset)
    assert left_out == {NIGHTS[2]}
    small = with_training(world.model, window_days=6, holdout_days=1)
    ref, _ = snapshot.take(world.lake, small, world.dataset, None, left_out=left_out)
    assert NIGHTS[2] not in ref.partitions
    # Control: had nobody remembered it, it would have been learned from.
    ref, _ = snapshot.take(world.lake, small, world.dataset, None)
    assert NIGHTS[2] in ref.partitions
    world.nights([NIGHTS[3]])
    later = world.monitor(NIGHTS[3])
    assert later.report.triage is Triage.NOTHING
    assert later.report.current_rows == 800  # of three partitions the broken one is left out


def test_labels_that_are_wrong_are_remembered_with_their_own_partition(world: World) -> None:
    world.nights([NIGHTS[0], NIGHTS[2]])
    world.ingest(NIGHTS[1], rows_of(NIGHTS[1]).assign(y=0.0))

    result = world.monitor(NIGHTS[2])

    assert result.report.triage is Triage.INCIDENT
    assert f"labels of {NIGHTS[1]}" in result.report.reason
    assert unsound(world.ledger, world.model, world.dataset) == {NIGHTS[1]}


def test_the_same_rows_found_broken_twice_are_one_incident(world: World) -> None:
    world.nights(NIGHTS[:2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]))
    for _ in range(2):
        world.monitor(NIGHTS[2])
    assert len(world.ledger.incidents("guess")) == 1


def test_a_partition_that_was_mended_is_learned_from_again(world: World) -> None:
    world.nights(NIGHTS[:2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]))
    world.monitor(NIGHTS[2])
    world.nights(NIGHTS[2:4])

    world.monitor(NIGHTS[3])

    assert unsound(world.ledger, world.model, world.dataset) == frozenset()
    [incident] = world.ledger.incidents("guess")
    assert incident.status is IncidentStatus.MENDED


def test_what_was_ingested_anew_and_is_broken_still_stays_left_out(world: World) -> None:
    world.nights(NIGHTS[:2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]))
    world.monitor(NIGHTS[2])
    world.ingest(NIGHTS[2], in_celsius(NIGHTS[2]).head(390))
    world.nights([NIGHTS[3]])

    world.monitor(NIGHTS[3])

    assert unsound(world.ledger, world.model, world.dataset) == {NIGHTS[2]}


def test_what_lasts_with_performance_still_good_is_drift(world: World) -> None:
    world.nights(NIGHTS[:3])
    for day in NIGHTS[3:]:
        world.ingest(day, in_celsius(day))
    for day in NIGHTS:
        world.predict(day, rows_of(day))

    seen = [world.monitor(day).report.triage for day in NIGHTS[3:9]]

    assert seen[:4] == [Triage.INCIDENT] * 4
    assert seen[4] is Triage.DRIFT
    assert unsound(world.ledger, world.model, world.dataset) == frozenset()
    assert {one.status for one in world.ledger.incidents("guess")} == {IncidentStatus.DRIFT}


def test_what_lasts_while_nobody_knows_the_performance_stays_an_incident(world: World) -> None:
    world.nights(NIGHTS[:3])
    for day in NIGHTS[3:9]:
        world.ingest(day, in_celsius(day))
        assert world.monitor(day).report.triage is Triage.INCIDENT


@pytest.mark.parametrize(
    ("skill", "how"),
    [(1.0, {}), (0.0, {}), (1.0, {"warmer": 30.0}), (1.0, {"rows": 1_200})],
    ids=["quiet", "unskilled", "warmer", "three times as many"],
)
def test_a_night_is_judged_alike_in_whatever_pieces_it_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, skill: float, how: dict[str, Any]
) -> None:
    world.train()
    days = [f"2013-02-{day:02d}" for day in range(10, 17)]
    monkeypatch.setattr(written, "GROUP_ROWS", 150)
    for day in days:
        frame = rows_of(day, **how)
        # Some rows came twice, one was asked about twice, and one by a version that no longer serves.
        world.ingest(day, pd.concat([frame, frame.iloc[:20]], ignore_index=True))
        world.predict(day, frame, skill)
        world.predict(day, frame.iloc[:50], version=2)
    whole = world.monitor(days[-1]).report
    monkeypatch.setattr(Lake.batches, "__defaults__", (None, 97))
    monkeypatch.setattr(window, "BATCH_ROWS", 89)
    monkeypatch.setattr(parting, "PART_ROWS", 211)
    monkeypatch.setattr(metric, "PIECE", 301)
    pieces = world.monitor(days[-1]).report
    assert rounded(pieces) == rounded(whole)
    assert whole.performance["labelled"] > 1_000
    assert whole.findings


def rounded(report: DriftReport) -> Any:
    """A report's figures to ten digits: sums depend on their order in the last ones."""
    return json.loads(
        report.model_dump_json(), parse_float=lambda text: float(f"{float(text):.10g}")
    )
