"""What has arrived since a night, counted in one way by the live loop and by the replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airloop.policy.findings import NewData
from airloop.specs import DatasetSpec, ModelSpec


def arrived(
    model: ModelSpec,
    dataset: DatasetSpec,
    there: Sequence[str],
    since: str,
    night: str,
    rows: Callable[[list[str]], int],
) -> NewData:
    """Partitions and rows after one night up to another, and the rows whose labels became complete in between.

    :param there: the partitions that may be learned from
    :param rows: how many rows some of them have
    """
    new = [key for key in there if since < key <= night]
    labelled = new
    if dataset.cadence.timed:
        delay = model.target.delay_in(dataset.cadence)
        first, until = (str(dataset.partition(key).before(delay)) for key in (since, night))
        labelled = [key for key in there if first < key <= until]
    return NewData(len(new), rows(new), rows(labelled))
