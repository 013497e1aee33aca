"""What puts MLflow right after a hand: nothing that anybody made is deleted by it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from airloop.contracts import ModelVersion
from airloop.delivery.mirror import Shown, settle
from airloop.errors import PermanentError
from airloop.ledger import Ledger
from airloop.registry import models, runs, tracking
from airloop.settings import Settings
from airloop.vocabulary import Action

log = logging.getLogger("airloop.delivery")

#: On a version that nothing proves, for who looks at it in MLflow.
UNPROVEN = "airloop.unproven"


def restore_experiment(experiment: str, settings: Settings) -> str:
    """With its runs."""
    with tracking.reaching(settings):
        tracking.client(settings).restore_experiment(experiment)
    return "restored, with its runs"


def restore_run(run: str, settings: Settings) -> str:
    """As long as MLflow has not cleaned up."""
    with tracking.reaching(settings):
        tracking.client(settings).restore_run(run)
    return "restored"


def restore_model(model: str, known: Shown, settings: Settings) -> str:
    """Make a registered model again, and each version that the ledger knows, under its own number.

    MLflow gives numbers in turn: those in between are given and thrown away.
    """
    client, made = tracking.client(settings), list[str]()
    with tracking.reaching(settings):
        models.ensure_model(client, model)
    for number, one in sorted(known.versions.items()):
        try:
            with tracking.reaching(settings):
                models.create(
                    client,
                    model,
                    number,
                    source=one.artifact.uri,
                    run_id=one.run_id or None,
                    tags=tags_of(one),
                    description="made again from the ledger",
                )
        except PermanentError as error:  # its run is gone, too: the others do without it
            log.warning("version %d of %s is not made again: %s", number, model, error)
        else:
            made.append(str(number))
    return f"made again, with versions {', '.join(made)}"


def put_down_gone(version: ModelVersion, ledger: Ledger) -> str:
    """MLflow gives no number twice; nothing needs the entry."""
    told = (
        f"version {version.version} stays away, as MLflow gives no number twice; its run {version.run_id} has its files, and "
        "it can serve and be gone back to"
    )
    number, run = version.version, version.run_id
    settle(ledger, version.model, number, run, Action.GONE, told)
    return told


def put_down_lost(version: ModelVersion, ledger: Ledger) -> str:
    """A run that was cleaned away."""
    told = (
        f"nothing brings run {version.run_id} back: version {version.version} serves for as long as the service holds it, or "
        "this machine's cache; train again, or restore MLflow's store from its backup"
    )
    number, run = version.version, version.run_id
    settle(ledger, version.model, number, run, Action.LOST, told)
    return told


def mark_unproven(model: str, number: int, run: str, ledger: Ledger, settings: Settings) -> str:
    """It stays, as its maker's, and says itself what it is."""
    told = f"version {number} is never delivered: no gates' verdict in the ledger proves it"
    models.tag_version(model, number, {UNPROVEN: told}, settings=settings)
    settle(ledger, model, number, run, Action.REFUSED, told)
    return told


def set_tags(model: str, number: int, tags: Mapping[str, str], settings: Settings) -> str:
    """As the ledger has them."""
    models.tag_version(model, number, tags, settings=settings)
    return "its tags are the ledger's again"


def set_alias(model: str, alias: str, number: int | None, settings: Settings) -> str:
    """As the ledger has it."""
    if number is None:
        models.remove_alias(model, alias, settings=settings)
        return "taken away"
    models.set_alias(model, alias, number, settings=settings)
    return f"names version {number} again"


def set_run_tag(run: str, tag: str, value: str, settings: Settings) -> str:
    """As the ledger has it."""
    with tracking.reaching(settings):
        runs.set_tags(tracking.client(settings), run, {tag: value})
    return f"says {value!r} again"


def tags_of(version: ModelVersion) -> dict[str, str]:
    """What a version's entry must say, for it to be found and delivered."""
    return {
        models.ARTIFACT_URI: version.artifact.uri,
        models.ARTIFACT_DIGEST: version.artifact.digest,
        models.COMPARED_WITH: str(version.champion_version or ""),
    }


def wrong_tags(version: ModelVersion, there: Mapping[str, str], *, whole: bool) -> dict[str, str]:
    """Those that are not the ledger's, as they should be.

    :param whole: whether the ledger has all of them; of what was registered before it kept them it knows the artifact's
    """
    wanted = tags_of(version)
    if not whole:
        del wanted[models.COMPARED_WITH]
    return {name: value for name, value in wanted.items() if there.get(name, "") != value}
