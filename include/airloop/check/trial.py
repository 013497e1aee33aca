"""What can be tried of datasets and models without training them: `airloop check` runs this as a process of its own.

It is strangers' code, which may do anything: so each unit is announced before it is tried, and whoever reads along
knows whose fault an end is. ``python -m airloop.check.trial dataset:flights model:flight_delay`` writes JSON lines.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from airloop.errors import AirloopError, DataError, SpecError, TransientError
from airloop.paths import put_on_path
from airloop.specs.catalog import Catalog, load_catalog
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.types.registry import type_of

if TYPE_CHECKING:
    import pandas as pd

    from airloop.data.sources.raw import Raw

#: How many of a source's rows are looked at.
ROWS = 200
Finding = dict[str, Any]


def main(units: Sequence[str]) -> None:
    """Try each unit, in their order."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what strangers print is no line of ours
    warnings.simplefilter("ignore")
    put_on_path()
    rows: dict[str, pd.DataFrame] = {}
    for unit in units:
        _tell(channel, {"unit": unit})
        kind, _, name = unit.partition(":")
        found = (
            _of_dataset(name, load_catalog(), rows) if kind == "dataset" else _of_model(name, rows)
        )
        _tell(channel, {"unit": unit, "found": list(found)})


def _of_dataset(name: str, catalog: Catalog, rows: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """Read the first rows of its first day."""
    spec = catalog.dataset(name)
    day = spec.start.isoformat()
    if lacking := sorted(set(spec.source.connections) - set(os.environ)):
        yield _notice(
            "source", f"not tried: Airflow keeps its connection, and {lacking[0]} is not set"
        )
        return
    try:
        first = _first_rows(spec, day)
    except (DataError, TransientError) as error:
        yield _notice("source", f"its first day could not be read: {error}")
    except SpecError as error:
        yield _found("source", error)
    except (Exception, SystemExit) as error:
        yield _notice("source", f"its first day could not be read: {type(error).__name__}: {error}")
    else:
        if first is None:
            yield _notice("source", f"its first day, {day}, has no rows")
            return
        wrong = list(_misfits(spec, first))
        yield from wrong
        if not wrong:
            from airloop.data.schema import to_pandas
            from airloop.data.sources.conform import conform

            rows[name] = to_pandas(conform(spec, first)[0])


def _first_rows(spec: DatasetSpec, day: str) -> Raw | None:
    from airloop.data.sources.raw import Raw
    from airloop.data.sources.reading import read_partition

    for batch in read_partition(spec, day):
        if len(batch):
            return Raw.of(batch).head(ROWS)
    return None


def _misfits(spec: DatasetSpec, rows: Raw) -> Iterator[Finding]:
    from airloop.data.sources.conform import conform

    for column in spec.columns:
        if column not in rows.columns:
            what = "the source's first rows lack the column"
            yield _found("columns", SpecError(what, value=column, valid=map(str, rows.columns)))
    for wrong in conform(spec, rows)[1]:
        what = f"in the source's first rows {wrong.column} is no {wrong.wanted.value}"
        yield _found("columns", SpecError(what, value=wrong.value))


def _of_model(name: str, rows: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """Import its module, make features, and rehearse each of its trainings."""
    model, dataset = load_catalog().pair(name)
    try:
        features = _features(model, dataset, rows.get(dataset.name))
    except (AirloopError, SystemExit) as error:
        yield _found("module", error)
        return
    for key, variant in _variants(model):
        yield from _rehearsed(key, variant, features)


def _features(
    model: ModelSpec, dataset: DatasetSpec, rows: pd.DataFrame | None
) -> pd.DataFrame | None:
    """None where there are no rows of the source, and the module wants better ones than those made up here."""
    import pandas as pd

    from airloop.features.rows import FUNCTION, hold_equal
    from airloop.features.transform import function_of, model_function, model_module, transform

    model_function(model, "features")
    if rows is not None:
        features = transform(model, dataset, rows)
        hold_equal(model, dataset, rows, features, function_of(model_module(model), FUNCTION))
        return features
    made = {
        name: [type_of(column).specimen(column)] * ROWS
        for name, column in dataset.columns.items()
        if name in model.inputs
    }
    try:
        return transform(model, dataset, pd.DataFrame(made))
    except AirloopError:
        return None


def _variants(model: ModelSpec) -> Iterator[tuple[str, ModelSpec]]:
    if not model.algorithms:
        yield "training", model
        return
    from airloop.training.choice import with_algorithm

    for index, algorithm in enumerate(model.algorithms):
        yield f"algorithms[{index}]", with_algorithm(model, algorithm)


def _rehearsed(key: str, model: ModelSpec, features: pd.DataFrame | None) -> Iterator[Finding]:
    import numpy as np
    import pandas as pd

    from airloop.features.truth import Truth
    from airloop.plugins.registry import TRAINERS, load
    from airloop.plugins.trainer import missing
    from airloop.training.decay import check_weighs
    from airloop.training.trainer import FitJob, FitPlace, Trainer

    trainer: Trainer = load(TRAINERS, model.training.trainer)
    if lacking := missing(trainer):
        yield _notice(
            key, f"not tried: {trainer.library} needs {lacking[0]}, which is not installed here"
        )
        return
    rows = pd.DataFrame() if features is None else features
    classes = len(model.answer.names) if model.answer.of_classes else 2
    made_up = np.arange(len(rows)) % classes
    truth: Truth = pd.Series(made_up, index=rows.index, dtype="float64")
    if model.answer.apart:
        names = list(model.answer.names)
        columns = np.column_stack([made_up + place for place in range(len(names))])
        truth = pd.DataFrame(columns, index=rows.index, columns=names, dtype="float64")
    with TemporaryDirectory(prefix="airloop-trial-") as scratch:
        job = FitJob(
            model, rows, truth, dict(model.training.params), False, FitPlace(Path(scratch))
        )
        try:
            trainer.rehearse(job)
            check_weighs(trainer, job)
        except DataError as error:
            yield _notice(key, f"could not be tried: {error}")
        except AirloopError as error:
            yield _found(key, error)
        except (Exception, SystemExit) as error:
            yield _notice(key, f"could not be tried: {type(error).__name__}: {error}")


def _found(key: str, error: BaseException) -> Finding:
    if not isinstance(error, AirloopError):
        error = SpecError(f"its code failed: {type(error).__name__}: {error}")
    value = error.value if error.value is None or isinstance(error.value, str) else str(error.value)
    where = error.where if error.where and not error.where.startswith("config/") else ""
    what = f"{error.what} ({where})" if where else error.what
    found = {"key": key, "what": what, "value": value, "remedy": error.remedy}
    return found | {"valid": error.valid, "severity": "error"}


def _notice(key: str, what: str) -> Finding:
    return {"key": key, "what": what, "severity": "notice"}


def _tell(channel: TextIO, line: dict[str, Any]) -> None:
    channel.write(json.dumps(line) + "\n")
    channel.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
