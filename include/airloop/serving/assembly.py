"""The service's parts put together from the settings: catalog, ledger, loader, lake."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airloop.contracts import ArtifactRef, Deployment
from airloop.errors import AirloopError
from airloop.serving.environments import loading as environments
from airloop.serving.requests import InvalidRequestError, RequestSchema, Row, plain
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.following import Following
from airloop.serving.runtime.version import Model
from airloop.settings import Settings
from airloop.specs import Catalog
from airloop.specs.dataset import DatasetSpec

if TYPE_CHECKING:
    from airloop.ledger import Ledger

log = logging.getLogger("airloop.serving")

#: Rows looked at to make the docs page's example.
EXAMPLE_ROWS = 1_000


def build_endpoints(settings: Settings, catalog: Catalog) -> Endpoints:
    """Endpoints that follow these settings' ledger. It is opened when first asked: a start never waits for it."""
    opened: list[Ledger] = []
    following = Following()

    def ledger() -> Ledger:
        if not opened:
            # A quarter of what the service imports, of which its supervisor, who imports all this first, needs nothing.
            from airloop.ledger import open_ledger

            opened.append(open_ledger(settings))
        return opened[0]

    def deployed() -> Mapping[str, Deployment]:
        return following.all(ledger())

    def deployed_one(model: str) -> Deployment | None:
        return following.one(ledger(), model)

    def load(ref: ArtifactRef) -> Model:
        return environments.load(ref, settings)

    def dataset(model: Model) -> DatasetSpec | None:
        try:
            return catalog.dataset(model.dataset.name)
        except AirloopError as error:
            log.warning("the rules of the version's own dataset count: %s", error)
            return None

    def example(model: Model) -> Row | None:
        return example_row(settings, model, dataset(model))

    return Endpoints(
        settings.home,
        models=catalog.model_names,
        deployed=deployed,
        deployed_one=deployed_one,
        doubt=following.doubt,
        traffic=following.traffic,
        load=load,
        example=example,
        dataset=dataset,
        memory=settings.serving.worker_memory,
        pinned=settings.serving.pinned,
        workers=settings.serving.workers,
    )


def example_row(settings: Settings, model: Model, now: DatasetSpec | None = None) -> Row | None:
    """A row such as callers send, from the lake: each input's most frequent value on the last day there.

    It is nobody's own row, since the docs page is open: the keys are made up. None where the lake has no rows.
    """
    from airloop.data.lake.lake import Lake

    schema = RequestSchema(model.spec, model.dataset, now)
    try:
        lake = Lake(settings)
        partitions = lake.partitions(model.dataset.name)
        if not partitions:
            return None
        ref = lake.snapshot(model.dataset.name, partitions[-1:])
        batch = next(lake.batches(ref, model.spec.inputs, batch_rows=EXAMPLE_ROWS), None)
    except AirloopError as error:
        log.warning("no example row from the lake: %s", error)
        return None
    if batch is None or not batch.num_rows:
        return None
    found = {name: plain(_frequent(batch.column(name))) for name in model.spec.inputs}
    # An input that no row has any more stays made up: some models have no answer without it.
    there = {name: value for name, value in found.items() if value is not None}
    return _fitting(schema, schema.placeholder | there)


def _fitting(schema: RequestSchema, row: Row) -> Row:
    """A row with a made-up value where today's does not fit a version of before: its column is wider now, or gone."""
    try:
        schema.parse(orjson.dumps({"rows": [row]}))
    except InvalidRequestError as error:
        wrong = {detail["loc"][-1] for detail in error.details}
        return {name: schema.placeholder[name] if name in wrong else row[name] for name in row}
    return row


def _frequent(values: pa.Array) -> Any:
    modes = pc.mode(values) if pa.types.is_floating(values.type) else _mode(values)
    return modes[0]["mode"].as_py() if len(modes) else None


def _mode(values: pa.Array) -> pa.Array:
    counts = pc.value_counts(values.drop_null())
    order = pc.sort_indices(counts.field("counts"), sort_keys=[("", "descending")])
    names = counts.field("values").take(order)
    return pa.StructArray.from_arrays([names], names=["mode"])
