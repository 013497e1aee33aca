"""The seam of executors: where a step runs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import AfterValidator, ValidationInfo

from airloop.plugins.registry import EXECUTORS
from airloop.plugins.spec import is_frozen, name_mistakes
from airloop.specs.yaml.issues import refuse


class Executor(Protocol):
    """Runs steps somewhere."""

    #: Whether steps run on the machine that asks: they take its slots and its GPUs.
    local: ClassVar[bool]
    #: Which key of ``environment`` names the model's libraries.
    environment: ClassVar[Literal["python", "image"]]


def _known(name: str, info: ValidationInfo) -> str:
    if not is_frozen(info):
        refuse(name_mistakes(EXECUTORS, name))
    return name


#: An executor in a spec.
ExecutorName = Annotated[str, AfterValidator(_known)]
