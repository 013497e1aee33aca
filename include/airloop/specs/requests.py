"""What a person or a program may ask of a DAG run: the models of `dag_run.conf` and of the trigger forms.

A key that a run leaves out is None: the schedule's partition, the asset event or the ledger then
says what is meant. A key that nobody knows is refused, since Airflow itself takes any.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from datetime import date, timedelta
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

from airloop.contracts import LINE_PATTERN, PARTITION_PATTERN, Contract
from airloop.errors import RequestError
from airloop.issues import issues_of

#: The longest range one ingest run takes, in days: more is a backfill, which Airflow can pause and resume.
MAX_RANGE_DAYS = 366
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


def real_day(text: str) -> str:
    """The text itself, if it names a day of the calendar.

    :raises ValueError: for a day that never was, such as 2013-02-30
    """
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError("there is no such day in the calendar") from error
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


PartitionDay = Annotated[
    StrictStr, StringConstraints(pattern=PARTITION_PATTERN), AfterValidator(real_day)
]
#: One line of text for the records: no control characters, so that a log line stays one line.
Reason = Annotated[StrictStr, StringConstraints(pattern=LINE_PATTERN)]
Params = Annotated[dict[str, Any], Field(max_length=100), AfterValidator(_bounded)]
_DATE: JsonDict = {"format": "date"}


class IngestConf(Contract):
    """Which days to ingest: one partition, a range of them, or what the schedule says."""

    partition: PartitionDay | None = Field(
        default=None,
        title="Day",
        description="The one day to ingest, YYYY-MM-DD. Empty: the run's own partition, or the dataset's newest day.",
        json_schema_extra={**_DATE, "section": "One day"},
    )
    start: PartitionDay | None = Field(
        default=None,
        title="First day",
        description="The first day of a range, inclusive.",
        json_schema_extra={**_DATE, "section": "A range of days"},
    )
    end: PartitionDay | None = Field(
        default=None,
        title="Last day",
        description="The last day of the range, inclusive.",
        json_schema_extra={**_DATE, "section": "A range of days"},
    )

    @model_validator(mode="after")
    def _one_way(self) -> IngestConf:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together: give both or neither")
        if self.start is None or self.end is None:
            return self
        if self.partition is not None:
            raise ValueError("give partition, or start and end, not all of them")
        days = (date.fromisoformat(self.end) - date.fromisoformat(self.start)).days + 1
        if days < 1:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        if days > MAX_RANGE_DAYS:
            raise ValueError(f"the range has {days} days, at most {MAX_RANGE_DAYS} go into one run")
        return self

    def partitions(self) -> tuple[str, ...]:
        """The days asked for, in order; empty where the run's own partition is meant."""
        if self.partition is not None:
            return (self.partition,)
        if self.start is None or self.end is None:
            return ()
        first, last = date.fromisoformat(self.start), date.fromisoformat(self.end)
        count = (last - first).days + 1
        return tuple((first + timedelta(days=step)).isoformat() for step in range(count))


class TrainConf(Contract):
    """Why to train, on data until which day, with which parameters."""

    reason: Reason | None = Field(
        default=None,
        title="Reason",
        description="Why this training is wanted; it goes on record.",
    )
    until: PartitionDay | None = Field(
        default=None,
        title="Last day of the window",
        description="The training window ends with this day, YYYY-MM-DD. Empty: the newest day there is.",
        json_schema_extra=_DATE,
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

    partition: PartitionDay | None = Field(
        default=None,
        title="Day",
        description="The last day of the window to look at, YYYY-MM-DD. Empty: the run's own partition, or the newest day.",
        json_schema_extra=_DATE,
    )


class ScoreConf(Contract):
    """Which partition to score."""

    partition: PartitionDay | None = Field(
        default=None,
        title="Day",
        description="The day to score, YYYY-MM-DD. Empty: the partition that caused this run, or the newest day.",
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
