"""What a person or a program may ask of a DAG run: the models of `dag_run.conf` and of the trigger forms.

A key that a run leaves out is None: the schedule's partition, the asset event or the ledger then
says what is meant. A key that nobody knows is refused, since Airflow itself takes any.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.config import JsonDict

from airloop.calendar import cadence_of, moment_of
from airloop.contracts import LINE_PATTERN, Contract
from airloop.errors import RequestError
from airloop.fields import Moment
from airloop.issues import issues_of
from airloop.partition import ANY_KEY
from airloop.specs.dataset import DatasetSpec

#: The most partitions one ingest run takes: more is a slip of the pen, or many runs.
MAX_PARTITIONS = 100_000
#: How deep the values of ``params`` may nest.
MAX_DEPTH = 8
#: How long a text among the values of ``params`` may be.
MAX_TEXT = 1_000
#: What Airflow's own check can see of the same rules. A number beyond it reads as infinity, which Airflow takes, and
#: hands on as null: another value, and a legal one.
_DOOR: JsonDict = {
    "maximum": sys.float_info.max,
    "minimum": -sys.float_info.max,
    "maxLength": MAX_TEXT,
}

ConfT = TypeVar("ConfT", bound=Contract)


def real_key(text: str) -> str:
    """The text itself, if it names a partition of the calendar; of which dataset's cadence is asked later.

    :raises ValueError: for one that never was, such as 2013-02-30
    """
    try:
        moment_of(text)
    except ValueError as error:
        raise ValueError(f"there is no such {cadence_of(text)} in the calendar") from error
    return text


def _bounded(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("numbers must be finite")
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"a text is longer than {MAX_TEXT} characters")
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        _bounded(item, depth + 1)
    return value


AskedKey = Annotated[StrictStr, StringConstraints(pattern=ANY_KEY), AfterValidator(real_key)]
#: One line of text for the records: no control characters, so that a log line stays one line.
Reason = Annotated[StrictStr, StringConstraints(pattern=LINE_PATTERN)]
Params = Annotated[dict[str, Any], Field(max_length=100), AfterValidator(_bounded)]
_DATE: JsonDict = {"format": "date"}


class IngestConf(Contract):
    """Which partitions to ingest: one, a range of them in either order, or what the schedule says."""

    partition: AskedKey | None = Field(
        default=None,
        title="Partition",
        description="The one partition to ingest, YYYY-MM-DD. Empty: the run's own, or the dataset's newest.",
        json_schema_extra={**_DATE, "section": "One partition"},
    )
    start: AskedKey | None = Field(
        default=None,
        title="First",
        description="Where a range begins, YYYY-MM-DD; after its end, the newest comes first.",
        json_schema_extra={**_DATE, "section": "A range"},
    )
    end: AskedKey | None = Field(
        default=None,
        title="Last",
        description="Where the range ends, inclusive, YYYY-MM-DD.",
        json_schema_extra={**_DATE, "section": "A range"},
    )

    @model_validator(mode="after")
    def _one_way(self) -> IngestConf:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together: give both or neither")
        if self.start is None or self.end is None:
            return self
        if self.partition is not None:
            raise ValueError("give partition, or start and end, not all of them")
        if cadence_of(self.start) != cadence_of(self.end):
            raise ValueError("start and end are partitions of different cadences")
        return self

    def partitions(self, dataset: DatasetSpec) -> tuple[str, ...]:
        """The partitions asked for, in the order in which they are to come; empty where the run's own is meant.

        :raises RequestError: if they are not of the dataset's cadence, or too many
        """
        if self.partition is not None:
            return (str(dataset.partition(self.partition)),)
        if self.start is None or self.end is None:
            return ()
        bounds = [dataset.partition(self.start), dataset.partition(self.end)]
        first, last = sorted(bounds)
        if not dataset.cadence.timed:
            raise RequestError(
                "deliveries come one by one: they have no range",
                value=f"{self.start} to {self.end}",
                where=f"dataset {dataset.name}",
                remedy="name one partition",
            )
        found = tuple(str(one) for one in islice(first.through(last), MAX_PARTITIONS + 1))
        if len(found) > MAX_PARTITIONS:
            raise RequestError(
                f"the range holds more than {MAX_PARTITIONS} partitions",
                value=f"{self.start} to {self.end}",
                where=f"dataset {dataset.name}",
                remedy="divide it over several runs",
            )
        return found if bounds == [first, last] else found[::-1]


class TrainConf(Contract):
    """Why to train, on data until which day, with which parameters."""

    reason: Reason | None = Field(
        default=None,
        title="Reason",
        description="Why this training is wanted; it goes on record.",
    )
    until: AskedKey | None = Field(
        default=None,
        title="Last partition of the window",
        description="The training window ends with it, YYYY-MM-DD. Empty: the newest whose labels are complete.",
        json_schema_extra=_DATE,
    )
    as_of: Moment | None = Field(
        default=None,
        title="As of",
        description="Train on what the lake held at this moment, such as 2013-03-01T12:00:00Z. Empty: on what it holds now.",
        json_schema_extra={"section": "Advanced"},
    )
    params: Params | None = Field(
        default=None,
        title="Parameters",
        description="Training parameters for this run only, laid over the spec's training.params.",
        json_schema_extra={"section": "Advanced", "additionalProperties": _DOOR},
    )


class DeployConf(Contract):
    """Which registered version to deliver."""

    version: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None,
        title="Version",
        description="The registered version to deliver. Empty: the candidate that caused this run, or the newest.",
    )


class MonitorConf(Contract):
    """Which night to look at."""

    partition: AskedKey | None = Field(
        default=None,
        title="Partition",
        description="The last of the window to look at, YYYY-MM-DD. Empty: the run's own, or the newest there is.",
        json_schema_extra=_DATE,
    )


class ScoreConf(Contract):
    """Which partition to score."""

    partition: AskedKey | None = Field(
        default=None,
        title="Partition",
        description="The partition to score, YYYY-MM-DD. Empty: the one that caused this run, or the newest there is.",
        json_schema_extra=_DATE,
    )


#: What a run of each kind of DAG takes.
CONFS: dict[str, type[Contract]] = {
    "ingest": IngestConf,
    "train": TrainConf,
    "deploy": DeployConf,
    "monitor": MonitorConf,
    "score": ScoreConf,
}


def parse_conf(model: type[ConfT], conf: Mapping[str, Any] | None) -> ConfT:
    """A run's ``conf`` as its model.

    :param conf: ``dag_run.conf`` or the run's params; None is the same as empty
    :raises RequestError: naming the first wrong key, its value and the remedy
    """
    if conf is not None and not isinstance(conf, Mapping):
        raise RequestError(
            "conf must be a mapping of keys to values", value=conf, where="dag_run.conf"
        )
    try:
        return model.model_validate(dict(conf or {}))
    except ValidationError as error:
        found = issues_of(error, model)
        first, others = found[0], len(found) - 1
        raise RequestError(
            first.what + (f" (the first of {others + 1} mistakes)" if others else ""),
            value=first.value,
            where=f"dag_run.conf, key {first.key}" if first.path else "dag_run.conf",
            remedy=first.remedy,
            valid=first.valid,
        ) from error
