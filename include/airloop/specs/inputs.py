"""Whether a model's inputs are there when a prediction is asked for: where not, that is leakage."""

from __future__ import annotations

from airloop.errors import SpecError
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.rules import known_too_late


def late_inputs(model: ModelSpec, dataset: DatasetSpec) -> tuple[str, ...]:
    """A model's inputs that are known only after the prediction."""
    return known_too_late(
        model.inputs, {name: column.known for name, column in dataset.columns.items()}
    )


def check_inputs(model: ModelSpec, dataset: DatasetSpec) -> None:
    """Every input must be a column that is known when a prediction is asked for.

    :raises SpecError: if one is not in the dataset, or known only afterwards
    """
    where = f"config/models/{model.name}.yaml, key inputs"
    for name in model.inputs:
        if name not in dataset.columns:
            raise SpecError(
                "the dataset has no such column", value=name, where=where, valid=dataset.columns
            )
    for name in late_inputs(model, dataset):
        raise SpecError(
            "an input is known only after the prediction: that is leakage",
            value=name,
            where=where,
            remedy="take it out of inputs",
        )
