"""A small home with everything a service needs: some days in the lake, a trained artifact, a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from airloop.contracts import ArtifactRef, ModelVersion
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.schema import arrow_schema
from airloop.data.snapshot import split
from airloop.data.sources.reading import read_frame
from airloop.features.casting import conform
from airloop.ledger import open_ledger
from airloop.ledger.attempts import begin
from airloop.ledger.deployments import record
from airloop.settings import Settings
from airloop.specs import load_catalog
from airloop.training.fitted import fit
from airloop.training.package import pack
from airloop.vocabulary import DeploymentKind

MODEL = "flight_delay"


def ingest(settings: Settings, days: list[str]) -> None:
    """Put days of flights into the lake, without validation."""
    spec = load_catalog().dataset("flights")
    lake, ledger = Lake(settings), open_ledger(settings)
    for day in days:
        frame = conform(spec, list(spec.columns), read_frame(spec, day))
        table = pa.Table.from_pandas(frame, arrow_schema(spec), preserve_index=False)
        lake.replace_partition(
            spec.name,
            day,
            table,
            partition_column=spec.partition_column,
            fence=ledger.begin_attempt(f"ingest:{spec.name}:{day}"),
            digest=rows_digest(table, without=[spec.partition_column]),
        )


def train(settings: Settings, number: int, **params: Any) -> ModelVersion:
    """Train on all days but the last in the lake, and pack the artifact into a folder."""
    catalog = load_catalog()
    model = catalog.model(MODEL)
    dataset = catalog.dataset(model.dataset)
    lake = Lake(settings)
    days = lake.partitions(dataset.name)
    frame: pd.DataFrame = lake.read(lake.snapshot(dataset.name, days))
    parts = split(model, dataset, frame, days[-1:])
    folder = Path(settings.home) / "store" / str(number)
    package = pack(model, dataset, parts, fit(model, dataset, parts, params), folder)
    ref = ArtifactRef(uri=folder.as_uri(), digest=package.digest)
    return ModelVersion(model=MODEL, version=number, run_id=f"run{number}", artifact=ref)


def deploy(settings: Settings, version: ModelVersion) -> None:
    """Write the ledger's row; the service follows."""
    ledger = open_ledger(settings)
    ledger.record_deployment(
        ledger.begin_attempt(f"promote:{version.model}"),
        model=version.model,
        version=version.version,
        artifact=version.artifact,
        kind="promote",
        reason="bench",
    )


def deploy_all(settings: Settings, versions: Iterable[ModelVersion]) -> None:
    """The same for many models in one transaction: a thousand of them would flush the disk three thousand times."""
    with open_ledger(settings).transaction() as connection:
        for version in versions:
            record(
                connection,
                begin(connection, f"promote:{version.model}"),
                model=version.model,
                version=version.version,
                artifact=version.artifact,
                kind=DeploymentKind.PROMOTE,
                reason="bench",
            )


def request_rows(settings: Settings) -> list[dict[str, Any]]:
    """The newest day's rows, as callers send them."""
    from airloop.delivery.verification import as_requests, newest_rows
    from airloop.registry.loader import load

    deployment = open_ledger(settings).current_deployment(MODEL)
    assert deployment is not None
    model = load(deployment.artifact, settings)
    frame = newest_rows(Lake(settings), model)
    assert frame is not None
    return as_requests(model, frame)
