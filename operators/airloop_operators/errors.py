"""Airloop's errors in Airflow's words: what may be tried again, and what may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airloop.errors import PermanentError, TransientError


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Fail the task at once on a permanent error; let Airflow retry it on a transient one.

    The step's own traceback stands in the log already: the task ends with the one sentence.
    """
    try:
        yield
    except PermanentError as error:
        raise AirflowFailException(str(error)) from None
    except TransientError as error:
        raise AirflowException(str(error)) from None
