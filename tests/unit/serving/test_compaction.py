from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from airloop.columns import BEFORE, MODEL_VERSION, PREDICTED_AT, PREDICTION, REQUEST_ID
from airloop.data.lake.lake import Lake
from airloop.errors import DataError
from airloop.partition import Cadence
from airloop.serving.log import compaction, records
from airloop.serving.log.compaction import CompactionResult, compact
from airloop.serving.log.frames import MAGIC, pack
from airloop.serving.log.predictionlog import PredictionLog, log_folder, seal_segments
from airloop.serving.log.records import Answered, encode, partition_of
from airloop.settings import Settings
from tests.support.serving_fakes import dataset_spec, model_spec, parsed_row


class OneModelCatalog:
    """The catalog, as far as compaction asks."""

    def pair(self, name: str) -> tuple[object, object]:
        return model_spec(name), dataset_spec()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    return Settings()


def run(settings: Settings, **options: object) -> CompactionResult:
    return compact(settings, "doubler", catalog=OneModelCatalog(), **options)  # type: ignore[arg-type]


def answered(number: int, rows: int = 1, version: int = 1, **changes: object) -> Answered:
    return Answered(
        request_id=f"r{number}",
        version=version,
        at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        rows=[parsed_row(key=f"{number}-{row}", **changes) for row in range(rows)],
        predictions=[float(number)] * rows,
        event_time="day",
        dataset=dataset_spec(),
    )


def table(settings: Settings) -> pa.Table:
    lake = Lake(settings)
    name = "predictions__doubler"
    return lake.read_table(lake.snapshot(name, lake.partitions(name)))


def keys(settings: Settings) -> list[str]:
    return sorted(table(settings)["key"].to_pylist())


def test_logged_predictions_become_typed_rows_under_their_prediction_date(settings: Settings):
    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([answered(1, rows=2), answered(2, x=None)]))
    result = run(settings)
    assert (result.segments, result.rows, result.torn, result.damaged) == (1, 3, 0, 0)
    assert Lake(settings).partitions("predictions__doubler") == ("2013-03-01",)
    (last,) = (row for row in table(settings).to_pylist() if row[REQUEST_ID] == "r2")
    assert last[PREDICTION] == 2.0
    assert last[MODEL_VERSION] == 1
    assert last["x"] is None
    assert last["day"].isoformat() == "2013-03-01"
    assert last[PREDICTED_AT] == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert not list(log_folder(settings.home, "doubler").glob("*.sealed"))


def test_frames_decoded_a_few_at_a_time_are_the_same_table(monkeypatch: pytest.MonkeyPatch):
    """A column that comes late, or goes, is there in all rows; so is the mark of one that the dataset no longer has."""
    late = answered(2, rows=3)
    late = replace(late, rows=[{**row, "gone": 5} for row in late.rows])
    frames = [encode([answered(1, rows=2)]), encode([late]), encode([answered(3, x=None)])]
    wanted = records.decode(frames, dataset_spec())
    monkeypatch.setattr(records, "DECODED_BYTES", 1)
    found = records.decode(iter(frames), dataset_spec())
    assert found.equals(wanted, check_metadata=True)
    assert found["gone"].to_pylist() == [None, None, "5", "5", "5", None]
    assert records.decode([], dataset_spec()).num_rows == 0


def test_without_an_event_time_the_day_of_the_request_counts(settings: Settings):
    one = answered(1)
    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([replace(one, event_time=None)]))
    run(settings)
    assert Lake(settings).partitions("predictions__doubler") == ("2026-01-01",)


@pytest.mark.parametrize(
    ("cadence", "zone", "key"),
    [
        ("day", "UTC", "2026-01-01"),
        ("day", "Australia/Sydney", "2026-01-02"),
        ("hour", "Australia/Sydney", "2026-01-01T1300Z"),
        ("hour", "Asia/Kolkata", "2026-01-01T1330Z"),
        ("week", "UTC", "2026-W01"),
        ("month", "America/New_York", "2026-01"),
        ("snapshot", "UTC", "2026-01-01"),
    ],
)
def test_the_moment_of_a_prediction_is_cut_as_its_datasets_partitions_are(
    cadence: str, zone: str, key: str
):
    spec = dataset_spec().model_copy(update={"cadence": Cadence(cadence), "timezone": zone})
    moment = datetime(2026, 1, 1, 13, 45, tzinfo=UTC)
    asked = replace(answered(1), at=moment, event_time=None, dataset=spec)
    assert partition_of(asked.rows[0], asked) == key
    told = replace(asked, at=datetime(2000, 1, 1, tzinfo=UTC), event_time="when")
    assert partition_of({"when": moment}, told) == key


def test_a_table_of_before_gets_the_names_of_now_and_nothing_comes_twice(settings: Settings):
    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([answered(1, rows=2)]))
    (segment,) = seal_segments(log_folder(settings.home, "doubler"))
    kept = segment.read_bytes()
    run(settings)
    name, now = "predictions__doubler", table(settings)
    old = {new: before for before, new in BEFORE.items()}
    shutil.rmtree(Path(settings.lake_uri) / name)
    before = now.rename_columns([old.get(one, one) for one in now.column_names])
    lake = Lake(settings)
    lake.append_once(
        name,
        before,
        partition_by="prediction_date",
        app_id=f"predictions:{segment.stem}",
        sequence=1,
    )
    segment.write_bytes(kept)
    log.append(encode([answered(2)]))
    result = run(settings)
    assert (result.rows, result.already) == (1, 2)
    assert keys(settings) == ["1-0", "1-1", "2-0"]
    assert set(BEFORE.values()) <= set(table(settings).column_names)
    assert not BEFORE.keys() & set(table(settings).column_names)


def test_nothing_logged_is_nothing_done(settings: Settings):
    assert run(settings) == CompactionResult(model="doubler", table="predictions__doubler")


def test_killed_between_commit_and_delete_the_rows_are_there_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([answered(1, rows=3)]))
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(settings)
    again = run(settings)
    assert (again.rows, again.already) == (0, 3)
    assert keys(settings) == ["1-0", "1-1", "1-2"]


def test_control_without_the_application_id_the_rows_are_doubled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    class Forgetful(Lake):
        def append_once(self, name, table, *, partition_by, app_id, sequence):  # type: ignore[no-untyped-def]
            app_id = f"{app_id}-{time.time_ns()}"
            return super().append_once(
                name, table, partition_by=partition_by, app_id=app_id, sequence=sequence
            )

    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([answered(1)]))
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(settings, lake=Forgetful(settings))
    run(settings, lake=Forgetful(settings))
    assert keys(settings) == ["1-0", "1-0"]


def test_compactions_while_the_service_writes_lose_and_double_nothing(settings: Settings):
    folder = log_folder(settings.home, "doubler")
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        log = PredictionLog(folder)
        while not stop.is_set():
            log.append(encode([answered(len(written))]))
            written.append(len(written))

    def compact_often() -> None:
        while len(written) < 60:
            run(settings)

    writer = threading.Thread(target=write)
    compactors = [threading.Thread(target=compact_often) for _ in range(2)]
    writer.start()
    for thread in compactors:
        thread.start()
    for thread in compactors:
        thread.join()
    stop.set()
    writer.join()
    run(settings)
    assert keys(settings) == sorted(f"{number}-0" for number in written)


def test_control_a_writer_that_ignores_the_seal_loses_rows(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    folder = log_folder(settings.home, "doubler")
    log = PredictionLog(folder)
    log.append(encode([answered(1)]))
    run(settings)
    # The name is gone; a writer that does not look goes on writing into a deleted file.
    monkeypatch.setattr(Path, "exists", lambda _: True)
    log.append(encode([answered(2)]))
    monkeypatch.undo()
    monkeypatch.setenv("AIRLOOP_HOME", str(settings.home))
    run(settings)
    assert keys(settings) == ["1-0"]


def test_a_tail_that_is_not_proven_torn_is_kept_and_counted(settings: Settings):
    folder = log_folder(settings.home, "doubler")
    PredictionLog(folder).append(encode([answered(1)]))
    (path,) = folder.glob("*.open")
    path.write_bytes(path.read_bytes() + b"\x40\x00")
    result = run(settings)
    assert (result.rows, result.damaged, result.torn) == (1, 1, 0), (
        "two bytes that no header begins with"
    )


def test_a_frame_cut_in_its_middle_is_torn_and_the_acknowledged_rows_are_kept(settings: Settings):
    folder = log_folder(settings.home, "doubler")
    PredictionLog(folder).append(encode([answered(1)]))
    (path,) = folder.glob("*.open")
    path.write_bytes(path.read_bytes() + pack(encode([answered(2)]))[:-3])
    result = run(settings)
    assert (result.rows, result.torn, result.damaged) == (1, 1, 0)
    assert not list(folder.glob("*.damaged"))


def damage(settings: Settings) -> tuple[Path, bytes]:
    """A segment of three frames, the first of which has a flipped bit; returns it as it was."""
    folder = log_folder(settings.home, "doubler")
    log = PredictionLog(folder)
    for number in range(3):
        log.append(encode([answered(number)]))
    (path,) = folder.glob("*.open")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"r0"', b'"rX"'))
    return path, whole


def test_a_damaged_segment_is_kept_aside_and_counted_and_its_other_frames_reach_the_lake(
    settings: Settings,
):
    damage(settings)
    result = run(settings)
    assert (result.rows, result.damaged, result.torn) == (2, 1, 0)
    assert result.unread > 100
    assert keys(settings) == ["1-0", "2-0"]
    assert len(list(log_folder(settings.home, "doubler").glob("*.damaged"))) == 1


def recovered(settings: Settings) -> CompactionResult:
    return compaction.recover(settings, "doubler", catalog=OneModelCatalog())  # type: ignore[arg-type]


def test_a_restored_segment_gives_what_was_missing_exactly_once(settings: Settings):
    path, whole = damage(settings)
    run(settings)
    assert (recovered(settings).rows, recovered(settings).damaged) == (0, 1), "as damaged as before"
    path.with_suffix(".damaged").write_bytes(whole)
    again = recovered(settings)
    assert (again.rows, again.damaged, again.unread) == (1, 0, 0)
    assert keys(settings) == ["0-0", "1-0", "2-0"]
    assert [one.name for one in path.parent.iterdir()] == ["compaction.lock"]
    assert recovered(settings).segments == 0


def test_a_recovery_killed_after_its_commit_doubles_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    path, whole = damage(settings)
    run(settings)
    path.with_suffix(".damaged").write_bytes(whole)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            recovered(settings)
    assert recovered(settings).already == 1
    assert keys(settings) == ["0-0", "1-0", "2-0"]


def test_a_segment_that_an_older_release_kept_aside_gives_what_that_could_not_read(
    settings: Settings,
):
    path, _ = damage(settings)
    run(settings)
    folder = path.parent
    for left in folder.glob(f"{path.stem}*"):
        left.unlink()
    # It read until the first damage and kept no list; here that is nothing, so both frames are asked for again.
    kept = folder / "00000000000000000001-1-old.damaged"
    kept.write_bytes(MAGIC + pack(b"lost")[:-1] + b"X" + pack(encode([answered(7)])))
    assert recovered(settings).rows == 1
    assert recovered(settings).rows == 0
    assert keys(settings) == ["1-0", "2-0", "7-0"]


def test_a_lake_that_fails_leaves_every_segment_for_the_next_time(settings: Settings):
    class Full:
        def append_once(self, *_: object, **__: object) -> bool:
            raise DataError("no")

    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([answered(1)]))
    with pytest.raises(DataError):
        run(settings, lake=Full())
    log.append(encode([answered(2)]))
    assert run(settings).rows == 2


def test_a_row_that_no_longer_fits_the_dataset_is_one_clear_error(settings: Settings):
    log = PredictionLog(log_folder(settings.home, "doubler"))
    log.append(encode([answered(1, n="text")]))
    with pytest.raises(DataError, match="does not fit the dataset"):
        run(settings)


def test_a_column_that_a_newer_version_asks_for_joins_the_table(settings: Settings):
    folder = log_folder(settings.home, "doubler")
    PredictionLog(folder).append(encode([answered(1)]))
    run(settings)
    PredictionLog(folder).append(encode([answered(2, added="text")]))
    run(settings)
    assert sorted(table(settings)["added"].to_pylist(), key=str) == [None, "text"]
    assert compaction.table_name("doubler") == "predictions__doubler"
