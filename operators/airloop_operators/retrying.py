"""When a task is tried again: for operators in anybody's DAG and for Airloop's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

#: Two more tries, the first soon, the second later.
RETRYING: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=5),
}
