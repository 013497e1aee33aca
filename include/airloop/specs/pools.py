"""The pools that Airflow gets: ``config/pools.json``, as `airflow pools import` reads it. JSON is YAML too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from airloop.contracts import NAME_PATTERN, Contract
from airloop.errors import SpecError
from airloop.fields import Text, Whole
from airloop.issues import WORDS, SpecIssue, issues_of
from airloop.specs.sections.resources import GPU_POOL, HEAVY_POOL
from airloop.specs.yaml.document import read_document

FILE = "pools.json"
#: The pools in which the DAGs run their heavy tasks and their GPU pods; without them they would wait for ever.
POOLS = (HEAVY_POOL, GPU_POOL)


class Pool(Contract):
    """One of Airflow's pools."""

    slots: Annotated[Whole, Field(ge=1)]
    description: Text
    include_deferred: bool = False


def read_pools(config: Path) -> dict[str, Pool]:
    """The pools by name.

    :raises SpecError: if the file cannot be read, or one of them is wrong or missing
    """
    document = read_document(config / FILE, strict=True)
    for wrong in pool_rules(document.data):
        raise SpecError(
            wrong.what,
            value=wrong.value,
            where=document.where(wrong),
            remedy=wrong.remedy,
            valid=wrong.valid,
        )
    return {name: Pool.model_validate(pool) for name, pool in document.data.items()}


def pool_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong in the file's data."""
    for name, pool in data.items():
        if not re.match(NAME_PATTERN, name):
            yield SpecIssue((name,), "not a name of a pool", name, WORDS[NAME_PATTERN])
        try:
            Pool.model_validate(pool)
        except ValidationError as error:
            yield from (replace(one, path=(name, *one.path)) for one in issues_of(error, Pool))
    for name in POOLS:
        if name not in data:
            what, remedy = "a pool that the DAGs need is missing", f"add {name}"
            yield SpecIssue((name,), what, None, remedy)
