"""A model's whole replay: every policy, the thresholds that it proposes, and the page among the reports."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airloop.replay.account import Account, account
from airloop.replay.page import html
from airloop.replay.past import Past
from airloop.replay.policies import chosen, standing, tried
from airloop.replay.replay import Asked, Tell, replay
from airloop.settings import Settings
from airloop.storage.files import Files


def replayed(asked: Asked, past: Past, names: Iterable[str], *, cores: int, tell: Tell) -> Account:
    """All policies side by side; those of these names alone propose nothing.

    :raises RequestError: if there is no policy of a name
    :raises DataError: if there is too little history
    """
    wanted = list(names)
    spec = asked.model.retraining
    refit = asked.model.refitted
    known = standing(spec, asked.dataset.cadence, len(past.keys), refit=refit)
    policies = chosen(known, wanted)
    others = [] if wanted else tried(spec, refit=refit)
    scores = replay(asked, past, [*policies, *others], cores=cores, tell=tell)
    return account(past, scores[: len(policies)], scores[len(policies) :])


def keep(settings: Settings, found: Account) -> str:
    """Keep the figures and the page among the reports; returns the page's address.

    :raises AirloopError: if the store of the reports does not answer
    """
    reports = Files(settings.reports_uri, settings.storage_options, "the folder of reports")
    folder = f"{found.model}/replay"
    reports.write(f"{folder}/replay.json", found.model_dump_json(indent=1).encode())
    reports.write(f"{folder}/replay.html", html(found).encode())
    uri = reports.place(f"{folder}/replay.html")
    return uri if "://" in uri else Path(uri).as_uri()
