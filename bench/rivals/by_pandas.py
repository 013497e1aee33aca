"""Ingest of small days as one writes it with pandas and deltalake: a loop over the files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from deltalake import write_deltalake

from bench.rivals.rules import LIMITS, ORIGINS, REQUIRED, SHARE_OF_TEMP, TEMP


def ingest(path: str, folder: Path, day: str) -> list[int]:
    """Check, part good rows from bad ones, commit both."""
    frame = pd.read_csv(path)
    if missing := [name for name in REQUIRED if frame[name].isna().any()]:
        raise ValueError(f"missing values in {missing}")
    if not frame["flight_id"].is_unique or not frame["origin"].isin(ORIGINS).all():
        raise ValueError("doubled flights, or an unknown origin")
    if frame["temp"].notna().mean() < SHARE_OF_TEMP:
        raise ValueError("too little weather")
    frame["temp"].dropna().between(*TEMP).all()
    good = pd.Series(data=True, index=frame.index)
    for name, (low, high) in LIMITS.items():
        good &= frame[name].isna() | frame[name].between(low, high)
    bad = int((~good).sum())
    if bad > 0.05 * len(frame):
        raise ValueError(f"too many bad rows: {bad}")
    _replace(folder / "flights", frame[good], day)
    if bad:
        _replace(folder / "quarantine", frame[~good], day)
    return [len(frame) - bad, bad]


def _replace(table: Path, rows: pd.DataFrame, day: str) -> None:
    write_deltalake(
        str(table),
        rows.reset_index(drop=True),
        mode="overwrite",
        predicate=f"flight_date = '{day}'" if table.exists() else None,
        partition_by=["flight_date"],
    )
