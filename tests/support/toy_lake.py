"""A real lake of a frame's days."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.schema import arrow_schema
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.specs import DatasetSpec


def filled(home: Path, dataset: DatasetSpec, frame: pd.DataFrame) -> Settings:
    """Settings whose lake holds the frame, a partition a day."""
    made = Settings(lake_uri=str(home / "lake"))
    lake, ledger = Lake(made), Ledger(f"sqlite:///{home / 'ledger.db'}")
    for day, rows in frame.groupby("day"):
        key = f"{pd.Timestamp(day):%Y-%m-%d}"
        rows = rows.assign(day=pd.Timestamp(day).date())
        table = pa.Table.from_pandas(rows, arrow_schema(dataset), preserve_index=False)
        lake.replace_partition(
            dataset.name,
            key,
            table,
            partition_column="day",
            fence=ledger.begin_attempt(f"ingest:{dataset.name}:{key}"),
            digest=rows_digest(table, without=["day"]),
        )
    return made
