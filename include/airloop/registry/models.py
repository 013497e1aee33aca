"""The registry: versions and aliases in MLflow. Its aliases are a copy of what the ledger says.

A version is unique per run: MLflow has no such constraint, so of two versions of one run the lower number stays and
the other is deleted by whoever finds that it lost.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airloop.contracts import ArtifactRef, Candidate, GateReport, ModelVersion, Outcome
from airloop.errors import ArtifactError, GateError, RequestError
from airloop.registry import runs, tracking
from airloop.settings import Settings, load_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("airloop.registry")

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ARTIFACT_URI, ARTIFACT_DIGEST = "airloop.artifact_uri", "airloop.artifact_digest"
COMPARED_WITH = "airloop.champion_version"


def register(
    candidate: Candidate,
    report: GateReport,
    *,
    above: int = 0,
    settings: Settings | None = None,
) -> ModelVersion:
    """Make a candidate that passed its gates a version, once per run; the same run again: the same version.

    :param above: the highest number that was ever given, where MLflow may have forgotten it
    :raises GateError: if the report is not ok or is another candidate's
    :raises UnreachableError: if MLflow does not answer
    """
    if report.outcome is not Outcome.OK or report.run_id != candidate.run_id:
        raise GateError(
            "only a candidate that passed its gates is registered",
            value=report.reason if report.run_id == candidate.run_id else report.run_id,
            where=f"run {candidate.run_id} of {candidate.model}",
        )
    artifact = delivered(candidate, report)
    settings = settings or load_settings()
    client = tracking.client(settings)
    with tracking.reaching(settings):
        # What a hand has made of the same run may say that another champion was compared.
        if mine := _of_report(client, candidate, report):
            return mine[0]
        ensure_model(client, candidate.model)
        made = create(
            client,
            candidate.model,
            above + 1,
            source=artifact.uri,
            run_id=candidate.run_id,
            tags=_tags(candidate, report),
            description=report.reason,
        )
        versions = _of_report(client, candidate, report)
        first = versions[0]
        if int(made.version) != first.version:
            log.info("version %d of this run came first; %s goes", first.version, made.version)
            client.delete_model_version(candidate.model, made.version)
        return first


def create(client: MlflowClient, model: str, least: int, **fields: Any) -> Any:
    """A version of at least this number. MLflow counts anew once a model was deleted: what it counts below is thrown away."""
    made = client.create_model_version(name=model, **fields)
    while int(made.version) < least:
        client.delete_model_version(model, made.version)
        made = client.create_model_version(name=model, **fields)
    return made


def delivered(candidate: Candidate, report: GateReport) -> ArtifactRef:
    """The artifact that the gates let be delivered: the refitted one where its guard was ok, else the judged one."""
    refit = candidate.refit
    return refit if refit is not None and refit.digest == report.delivers else candidate.artifact


def _of_report(
    client: MlflowClient, candidate: Candidate, report: GateReport
) -> list[ModelVersion]:
    artifact = delivered(candidate, report)
    found = _of_run(client, candidate.model, candidate.run_id, artifact.digest)
    return [one for one in found if is_of(one, artifact, report)]


def is_of(version: ModelVersion, artifact: ArtifactRef, report: GateReport) -> bool:
    """Whether a version says of itself what its registration would."""
    return (version.artifact, version.champion_version) == (artifact, report.champion_version)


def of_run(
    model: str, run_id: str, digest: str, *, settings: Settings | None = None
) -> ModelVersion | None:
    """The version of a run's artifact, if it was registered."""
    settings = settings or load_settings()
    client = tracking.client(settings)
    with tracking.reaching(settings):
        return next(iter(_of_run(client, model, run_id, digest)), None)


def version(model: str, number: int, *, settings: Settings | None = None) -> ModelVersion:
    """One version.

    :raises ArtifactError: if there is none, or it was not registered by Airloop
    """
    settings = settings or load_settings()
    client = tracking.client(settings)
    with tracking.reaching(settings):
        return _contract(client.get_model_version(model, str(number)))


def as_version(
    model: str, number: int, run_id: str, tags: Mapping[str, str]
) -> ModelVersion | None:
    """A version as its tags have it; None where they are not Airloop's."""
    entry = SimpleNamespace(name=model, version=number, run_id=run_id, tags=tags)
    try:
        return _contract(entry)
    except ArtifactError:
        return None


def aliases(model: str, *, settings: Settings | None = None) -> dict[str, int]:
    """Which version each alias names; empty where the model has never been registered."""
    settings = settings or load_settings()
    client = tracking.client(settings)
    try:
        with tracking.reaching(settings):
            found = client.get_registered_model(model).aliases
    except ArtifactError:
        return {}
    return {name: int(number) for name, number in found.items()}


def there(model: str, *, settings: Settings | None = None) -> bool:
    """Whether MLflow has a registered model of this name."""
    settings = settings or load_settings()
    try:
        with tracking.reaching(settings):
            tracking.client(settings).get_registered_model(model)
    except ArtifactError:
        return False
    return True


def set_alias(model: str, alias: str, version: int, *, settings: Settings | None = None) -> None:
    """Point an alias at a version; it moves atomically.

    :raises RequestError: if the alias is not one of Airloop's
    :raises ArtifactError: if there is no such version
    """
    known = (CHAMPION, CHALLENGER, PREVIOUS)
    if alias not in known:
        raise RequestError("no such alias", value=alias, valid=known)
    settings = settings or load_settings()
    client = tracking.client(settings)
    with tracking.reaching(settings):
        client.set_registered_model_alias(model, alias, str(version))


def remove_alias(model: str, alias: str, *, settings: Settings | None = None) -> None:
    """Take an alias away; nothing happens where it is not set."""
    settings = settings or load_settings()
    client = tracking.client(settings)
    if alias in aliases(model, settings=settings):
        with tracking.reaching(settings):
            client.delete_registered_model_alias(model, alias)


def tag_version(
    model: str, number: int, tags: Mapping[str, str], *, settings: Settings | None = None
) -> None:
    """Set tags of a version."""
    settings = settings or load_settings()
    client = tracking.client(settings)
    with tracking.reaching(settings):
        for key, value in tags.items():
            client.set_model_version_tag(model, str(number), key, value)


def ensure_model(client: MlflowClient, name: str) -> None:
    """Make a registered model where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _of_run(client: MlflowClient, model: str, run_id: str, digest: str) -> list[ModelVersion]:
    found = client.search_model_versions(f"run_id = '{run_id}'")
    # What a hand has made of the same run carries another digest, or none.
    named = [entry for entry in found if entry.tags.get(ARTIFACT_DIGEST) == digest]
    mine = [_contract(entry) for entry in named if entry.name == model]
    return sorted(mine, key=lambda entry: entry.version)


def _tags(candidate: Candidate, report: GateReport) -> dict[str, str]:
    artifact = delivered(candidate, report)
    return {
        ARTIFACT_URI: artifact.uri,
        ARTIFACT_DIGEST: artifact.digest,
        "airloop.judged_digest": candidate.artifact.digest,
        "airloop.dataset": candidate.dataset.name,
        "airloop.dataset_version": str(candidate.dataset.version),
        "airloop.dataset_digest": candidate.dataset.digest,
        COMPARED_WITH: str(report.champion_version or ""),
        "airloop.trigger_id": candidate.trigger_id or "",
        "airloop.params": candidate.params[: runs.TAG_CHARACTERS],
        "airloop.days": f"{candidate.dataset.partitions[0]}..{candidate.dataset.partitions[-1]}",
    }


def _contract(entry: Any) -> ModelVersion:
    uri, digest = entry.tags.get(ARTIFACT_URI), entry.tags.get(ARTIFACT_DIGEST)
    if not uri or not digest:
        raise ArtifactError(
            "this version was not registered by Airloop: it carries no digest",
            value=f"{entry.name} version {entry.version}",
            remedy="register models through train_<model>",
        )
    try:
        return ModelVersion(
            model=entry.name,
            version=int(entry.version),
            run_id=entry.run_id or "",
            artifact=ArtifactRef(uri=uri, digest=digest),
            champion_version=int(entry.tags.get(COMPARED_WITH) or 0) or None,
        )
    except ValueError as error:  # a hand has written into its tags
        raise ArtifactError(
            "this version's tags are not those that Airloop wrote",
            value=str(error).splitlines()[0],
            where=f"{entry.name} version {entry.version}",
            remedy="run `airloop reconcile`",
        ) from error
