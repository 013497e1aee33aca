"""DAGs that should be there and are not: named where a file had its time, and by its own import error."""

from __future__ import annotations

from airloop.projects.absence import Absence, Parsed, absences
from airloop.projects.stubs import Mark, Stub, dataset_stub, first_pass, model_stub

NOW = 1_000_000.0
OLD = Mark("", NOW - 10_000)
ALL = ("train_late", "deploy_late", "monitor_late", "score_late")


def stubs(changed: Mark = OLD) -> list[Stub]:
    return [dataset_stub("flights", OLD), model_stub("late", changed)]


def parsed(*dags: str, at: float = NOW - 5_000, began: float = 0, **errors: str) -> Parsed:
    files = {f"airloop_stubs/models/{name}.py": text for name, text in errors.items()}
    return Parsed(dict.fromkeys(("ingest_flights", *dags), at), files, began)


def found(changed: Mark, what: Parsed) -> list[str]:
    return [str(one) for one in absences(stubs(changed), what, NOW)]


def test_nothing_is_missing_where_every_dag_is_there() -> None:
    assert found(OLD, parsed(*ALL)) == []


def test_dags_that_no_parse_ever_brought_are_named() -> None:
    (line,) = found(OLD, parsed("train_late"))
    assert line == (
        "config/models/late.yaml: Airflow lacks deploy_late, monitor_late, score_late: its file was never read "
        "to the end; see the log of the DAG processor"
    )


def test_a_parse_that_was_killed_after_a_change_is_told() -> None:
    changed = Mark("", NOW - 3_000)
    (line,) = found(changed, parsed(*ALL))
    assert "what it has is older than the spec" in line
    assert found(changed, parsed(*ALL, at=NOW - 2_999)) == []


def test_what_had_no_time_to_be_read_is_not_counted() -> None:
    soon = first_pass(2) - 1
    assert found(Mark("", NOW - soon), parsed()) == []
    assert found(Mark("", NOW - soon), parsed(*ALL)) == []
    assert found(OLD, parsed(began=NOW - soon)) == []
    assert len(found(OLD, parsed(began=NOW - soon - 2))) == 1


def test_an_import_error_is_told_at_once_with_its_sentence() -> None:
    text = 'Traceback (most recent call last):\n  File "x"\nImportError: no module named shop\n'
    assert found(Mark("", NOW), parsed(late=text)) == [
        f"config/models/late.yaml: Airflow lacks {', '.join(ALL)}: ImportError: no module named shop"
    ]


def test_a_wrong_spec_is_known_as_such() -> None:
    text = "Traceback\nairloop.errors.SpecError: unknown key; got 'gatez'\n"
    (one,) = absences(stubs(), parsed(late=text), NOW)
    assert one == Absence(stubs()[1], ALL, "unknown key; got 'gatez'", of_the_spec=True)


def test_an_error_of_a_file_whose_dags_are_all_there_is_none() -> None:
    assert found(OLD, parsed(*ALL, late="Traceback\nKeyError: of yesterday")) == []
