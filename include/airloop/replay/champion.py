"""Is what a replay makes the model that serves? One whose features have changed since is another model."""

from __future__ import annotations

from airloop.errors import RequestError
from airloop.ledger import Ledger
from airloop.registry.artifacts import SPEC, fetch
from airloop.registry.frozen import FrozenSpec
from airloop.replay.past import Past
from airloop.settings import Settings


def check_features(settings: Settings, ledger: Ledger, past: Past) -> None:
    """Hold today's features against those that the champion was trained on; without a champion there is none to mistake.

    :raises RequestError: if they differ
    :raises UnreachableError: if the artifact store does not answer
    """
    deployment = ledger.current_deployment(past.model.name)
    if deployment is None:
        return
    frozen = FrozenSpec.read((fetch(deployment.artifact, settings) / SPEC).read_bytes())
    today, then = tuple(map(str, past.features.columns)), tuple(frozen.features)
    if today != then:
        raise RequestError(
            f"features() no longer makes the columns that version {deployment.version} was trained on: "
            "a replay would judge another model than the one that serves",
            value=sorted(set(today) ^ set(then)) or "their order",
            where=f"{past.model.module}.features",
            remedy=f"train and deploy first (`airloop trigger train_{past.model.name}`), then replay",
        )
