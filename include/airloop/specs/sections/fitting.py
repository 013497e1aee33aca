"""How a network is fitted: the torch trainer's own keys of ``training.params``, and its checkpoints.

They stand among the parameters, not beside them, so that a run's ``conf`` and a tuning can move them like any other.
What is left after :func:`divide` goes to the module's ``build(params)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from airloop.contracts import Contract
from airloop.fields import Number, Whole

#: More processes than any machine here has cores is a slip of the pen.
MAX_PROCESSES = 64


class CheckpointSpec(Contract):
    """How often a training writes down where it is: whichever comes first."""

    #: After so many batches.
    steps: Whole | None = Field(default=None, ge=1)
    #: After so many minutes.
    minutes: Number = Field(default=5.0, gt=0)


class FitOptions(Contract):
    """The torch trainer's parameters."""

    epochs: Whole = Field(default=30, ge=1)
    #: Rows of a batch over all processes together, so that the result does not depend on how many there are.
    batch_rows: Whole = Field(default=1024, ge=1)
    learning_rate: Number = Field(default=1e-3, gt=0)
    weight_decay: Number = Field(default=1e-4, ge=0)
    #: The gradient's norm is cut to this.
    clip_norm: Number = Field(default=1.0, gt=0)
    #: The last rows of the training days, never trained on, whose loss decides when to stop.
    validation_fraction: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    #: Epochs without a better validation loss until training stops.
    patience: Whole = Field(default=5, ge=1)
    #: Numbers that stand for a category.
    embedding: Whole = Field(default=8, ge=1, le=1024)
    #: A category seen less often is treated as unseen.
    min_category_rows: Whole = Field(default=5, ge=1)
    #: More megabytes of rows than this are streamed from disk; None: what half of the device's free memory holds.
    resident_mb: Whole | None = Field(default=None, ge=0)


def divide(params: Mapping[str, Any]) -> tuple[FitOptions, dict[str, Any]]:
    """The trainer's options, and the parameters left for ``build(params)``.

    :raises ValidationError: if an option has the wrong type or lies out of bounds
    """
    own = {name: value for name, value in params.items() if name in FitOptions.model_fields}
    rest = {name: value for name, value in params.items() if name not in own}
    return FitOptions.model_validate(own), rest
