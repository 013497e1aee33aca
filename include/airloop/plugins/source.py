"""The seam of sources: where a partition's rows come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import BeforeValidator, SerializeAsAny

from airloop.errors import SpecError
from airloop.plugins.registry import SOURCES, load
from airloop.plugins.spec import PluginSpec, picked

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class SourceSpec(PluginSpec):
    """The keys of ``source:`` in a dataset's YAML."""

    @property
    def connections(self) -> Mapping[str, str]:
        """The Airflow connections that the source needs: by which variable a step gets the URL of which one.

        A step knows no Airflow: its operator looks the connection up and hands the URL on, to this step alone.
        """
        return {}


class Source(Protocol):
    """Reads one kind of source. Its module is imported where specs are read, so it imports no heavy library at its top."""

    #: The class that checks ``source:`` where its ``kind`` is this source's name.
    spec: ClassVar[type[SourceSpec]]
    #: The keys whose value is a function of the project, ``package.module:function``: `airloop check` looks for it.
    functions: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def read(self, spec: Any, partition: str) -> Iterator[pd.DataFrame | pa.Table | pa.RecordBatch]:
        """The partition's raw rows, in batches of pandas or of Arrow; the dataset's columns give them their types.

        A partition without rows yields no batch, or empty ones; the same partition read twice gives the same rows.

        :param spec: an instance of ``spec``
        :raises DataError: if the partition does not exist or is damaged
        :raises UnreachableError: if whoever has it does not answer
        """


#: ``source:`` of a dataset's spec.
SourceField = Annotated[SerializeAsAny[SourceSpec], BeforeValidator(picked(SOURCES, SourceSpec))]


def functions_of(source: Any) -> tuple[str, ...]:
    """The keys of plain data that name functions of the project."""
    kind = source.get("kind") if isinstance(source, Mapping) else None
    if not isinstance(kind, str):
        return ()
    try:
        found: tuple[str, ...] = load(SOURCES, kind).functions
    except SpecError:  # the spec's own validation says so
        return ()
    return found
