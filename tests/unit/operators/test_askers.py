"""Who a run's rows in the ledger are put down under."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airloop_operators.runs import asker


@pytest.mark.parametrize(
    ("run", "who"),
    [
        (SimpleNamespace(triggering_user_name="ann"), "ann"),
        (SimpleNamespace(triggering_user_name=None), "airloop"),
        (SimpleNamespace(), "airloop"),
    ],
    ids=["a person began it", "nobody did", "an Airflow that does not say"],
)
def test_a_run_is_of_who_began_it_and_else_of_the_loop(run: SimpleNamespace, who: str) -> None:
    assert asker({"dag_run": run}) == who
