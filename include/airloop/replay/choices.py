"""The windows of a replay's models, where the spec leaves them open: chosen as the live loop would have, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from airloop import __version__
from airloop.durations import spanned
from airloop.registry import lineage
from airloop.replay.past import Past
from airloop.storage.files import Files
from airloop.training.chosen import HELD, Choice
from airloop.training.windows import choose_among

#: Another way to fit or to keep makes other names.
_SCHEME = f"5 {__version__}"


class Choices:
    """What was chosen when.

    :param files: where choices are kept
    :param first: the first night of the replay, on which the first is made
    """

    def __init__(self, past: Past, files: Files, first: int) -> None:
        self._past, self._files, self._first = past, files, first
        self._made: dict[tuple[int, tuple[str, ...]], Choice] = {}

    def window(self, night: int, left_out: tuple[str, ...]) -> Choice:
        """The window that was chosen last, as the live loop would have; it chooses again when a choice has aged.

        :param left_out: partitions that are known to be broken
        :raises DataError: if there is too little history to train at all
        """
        holds = spanned(HELD, self._past.dataset.cadence)
        chosen = night - max(0, night - self._first) % holds
        at = chosen, tuple(key for key in left_out if key <= self._past.keys[chosen])
        if at not in self._made:
            self._made[at] = self._choice(self._past.sound(*at))
        return self._made[at]

    def _choice(self, there: tuple[str, ...]) -> Choice:
        past = self._past
        told = [scheme(), past.code, *(past.digests[key] for key in there)]
        name = f"windows/{hashlib.sha256(repr(told).encode()).hexdigest()[:32]}.json"
        if (content := self._files.read(name)) is not None:
            return Choice(**json.loads(content))

        def rows(keys: Sequence[str]) -> npt.NDArray[np.intp]:
            parts = [past.rows(past.place[key]) for key in keys]
            return np.concatenate([np.arange(part.start, part.stop) for part in parts])

        choice = choose_among(
            past.model,
            past.dataset,
            there,
            there[-1],
            past.count,
            lambda keys: past.frame.iloc[rows(keys)],
        )
        self._files.write(name, json.dumps(asdict(choice)).encode())
        return choice


def scheme() -> str:
    """Part of every name: another version of a library may fit otherwise, too."""
    return f"{_SCHEME} {lineage.library_versions()}"
