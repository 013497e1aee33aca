"""Which test files begin.

A file stays with one worker, for what its tests share; one of minutes that comes last leaves the other worker idle.
"""

from __future__ import annotations

#: The dearest first. Of two files that start the whole stack, the second waits for the first: others stand between them.
FIRST = (
    "tests/dags/test_network_loop.py",
    "tests/integration/stack/test_stack.py",
    "tests/integration/ledger/test_migration.py",
    "tests/integration/upgrade/test_from_0_1.py",
    "tests/dags/test_runs.py",
    "tests/dags/test_live_month.py",
    "tests/integration/postgres_s3/test_loop.py",
    "tests/dags/test_pods.py",
    "tests/dags/test_segments_dag.py",
    "tests/dags/test_timetables.py",
    "tests/integration/stack/test_kubernetes_page.py",
)


def place(nodeid: str) -> int:
    """Where in the order a test's file stands; what is not named comes last, as it was collected."""
    file = nodeid.partition("::")[0]
    return FIRST.index(file) if file in FIRST else len(FIRST)
