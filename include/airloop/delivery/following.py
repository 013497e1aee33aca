"""What follows a deployment's row: the service is asked, the registry's aliases move."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from airloop.contracts import Deployment
from airloop.delivery.deployment import Service
from airloop.delivery.mirror import aliases_of
from airloop.errors import AirloopError, ArtifactError, SupersededError
from airloop.ledger import Ledger
from airloop.registry import models
from airloop.serving.client import ServiceClient
from airloop.serving.responses import EndpointState
from airloop.settings import Settings

log = logging.getLogger("airloop.delivery")


@contextmanager
def reached(service: Service | None, settings: Settings) -> Iterator[Service]:
    """The service to talk to: the one given, or the one of the settings."""
    if service is not None:
        yield service
        return
    with ServiceClient(settings) as client:
        yield client


def confirms(state: EndpointState, deployment: Deployment) -> bool:
    """Whether the service answers with this deployment.

    :raises SupersededError: if it follows a later one
    """
    if state.sequence is not None and state.sequence > deployment.sequence:
        raise SupersededError("superseded by another deployment", value=state.sequence)
    return (state.sequence, state.version) == (deployment.sequence, deployment.version)


def refused(deployment: Deployment, state: EndpointState) -> ArtifactError:
    """The error for a service that does not answer with a deployment."""
    return ArtifactError(
        f"the service does not serve version {deployment.version}",
        value=state.error,
        where=f"model {deployment.model}",
        remedy=f"it keeps serving version {state.version}",
    )


def follow(ledger: Ledger, settings: Settings, model: str) -> None:
    """Move the registry's aliases after the ledger, as far as MLflow lets it: they are a copy, and nobody waits for it.

    What does not move is a warning; the reconciler repeats it.
    """
    try:
        _copy_to_aliases(ledger, settings, model)
    except AirloopError as error:
        log.warning("the ledger's row stands; MLflow's aliases follow it later: %s", error)


def _copy_to_aliases(ledger: Ledger, settings: Settings, model: str) -> None:
    """Let the aliases say what the ledger says; once more where the ledger moved on meanwhile.

    MLflow's aliases know no compare-and-set: an attempt that slept just here would put its version over a newer
    champion, if it did not look at the ledger again after it wrote.
    """
    copied, wanted = None, aliases_of(ledger, model)
    while copied != wanted:
        set_aliases(model, wanted, settings)
        copied, wanted = wanted, aliases_of(ledger, model)


def set_aliases(model: str, wanted: Mapping[str, int | None], settings: Settings) -> None:
    """Each alias for itself: one that cannot be set keeps no other from its place.

    :raises AirloopError: the first failure, once all were tried
    """
    there, failures = models.aliases(model, settings=settings), list[AirloopError]()
    for alias, number in wanted.items():
        if there.get(alias) == number:
            continue
        try:
            if number is None:
                models.remove_alias(model, alias, settings=settings)
            else:
                models.set_alias(model, alias, number, settings=settings)
        except (
            ArtifactError
        ) as error:  # a hand has deleted the version: none is named rather than another
            failures.append(error)
            models.remove_alias(model, alias, settings=settings)
        except AirloopError as error:
            failures.append(error)
    if models.CHALLENGER not in wanted and there.get(models.CHALLENGER) == wanted[models.CHAMPION]:
        models.remove_alias(model, models.CHALLENGER, settings=settings)
    for failure in failures:
        raise failure
