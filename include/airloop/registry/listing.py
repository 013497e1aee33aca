"""Everything that MLflow's registry holds, in a few requests whatever the number of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airloop.registry import tracking
from airloop.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Entries of an answer, and ids of a question.
_PAGE, _IDS = 1_000, 100


@dataclass(frozen=True)
class ListedVersion:
    """A version, whoever made it."""

    number: int
    run_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Listing:
    """What people see."""

    #: By model, then by alias; a model that is not in it is not there.
    aliases: Mapping[str, Mapping[str, int]]
    #: By model, then by number.
    versions: Mapping[str, Mapping[int, ListedVersion]]
    #: The ids of the experiments that were deleted and can be restored, by name.
    deleted_experiments: Mapping[str, str]


def listing(settings: Settings) -> Listing:
    """Look once.

    :raises UnreachableError: if MLflow does not answer
    """
    client = tracking.client(settings)
    with tracking.reaching(settings):
        names = {one.name: dict(one.aliases) for one in _all(client.search_registered_models)}
        versions: dict[str, dict[int, ListedVersion]] = {name: {} for name in names}
        for one in _all(client.search_model_versions):
            found = ListedVersion(int(one.version), one.run_id or "", dict(one.tags))
            versions.setdefault(one.name, {})[found.number] = found
        gone = {one.name: str(one.experiment_id) for one in _experiments(client)}
    aliases = {
        name: {alias: int(number) for alias, number in found.items()}
        for name, found in names.items()
    }
    return Listing(aliases, versions, gone)


@dataclass(frozen=True)
class ListedRun:
    """A run that is there, deleted or not."""

    active: bool
    tags: Mapping[str, str]


def runs_of(run_ids: Iterable[str], settings: Settings) -> Mapping[str, ListedRun]:
    """Those of these runs that MLflow still has: one that is not among them was cleaned away for good.

    :raises UnreachableError: if MLflow does not answer
    """
    from mlflow.entities import ViewType

    client, wanted = tracking.client(settings), sorted(set(run_ids))
    found: dict[str, ListedRun] = {}
    with tracking.reaching(settings):
        everywhere = _all(client.search_experiments, view_type=ViewType.ALL)
        experiments = [str(one.experiment_id) for one in everywhere]
        for start in range(0, len(wanted), _IDS):
            ids = ", ".join(f"'{one}'" for one in wanted[start : start + _IDS])
            text = f"attributes.run_id IN ({ids})"
            for run in client.search_runs(experiments, text, ViewType.ALL, _PAGE):
                active = run.info.lifecycle_stage == "active"
                found[run.info.run_id] = ListedRun(active, dict(run.data.tags))
    return found


def _experiments(client: MlflowClient) -> Iterator[Any]:
    from mlflow.entities import ViewType

    yield from _all(client.search_experiments, view_type=ViewType.DELETED_ONLY)


def _all(search: Callable[..., Any], **options: Any) -> Iterator[Any]:
    """Every entry of a search that answers page by page."""
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return
