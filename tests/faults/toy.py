"""The smallest publication: a file that must appear whole, once."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from airloop.contracts import Fence
from airloop.errors import DataError, SupersededError
from airloop.ledger import Ledger
from airloop.ledger.commit import commit

ROWS = [f"row {number}" for number in range(200)]


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


TEXT = "\n".join(ROWS)


@dataclass
class FilePublication:
    """Staged beside the public file, then linked to its name."""

    folder: Path
    token: int

    @property
    def _staged(self) -> Path:
        return self.folder / f"staged-{self.token}"

    @property
    def _public(self) -> Path:
        return self.folder / "public"

    def published(self) -> str | None:
        return _digest(self._public.read_text(encoding="utf-8")) if self._public.exists() else None

    def stage(self) -> None:
        self._staged.write_text(TEXT, encoding="utf-8")

    def checksum(self) -> str:
        return _digest(self._staged.read_text(encoding="utf-8"))

    def publish(self, fence: Fence, digest: str) -> str:
        try:
            os.link(self._staged, self._public)
        except FileExistsError:
            raise SupersededError("superseded by a newer attempt") from None
        _count(self.folder)
        return digest

    def verify(self, result: str, digest: str) -> None:
        if _digest(self._public.read_text(encoding="utf-8")) != digest:
            raise DataError("the public file is not the staged one")


def _count(folder: Path) -> None:
    with (folder / "commits").open("a", encoding="utf-8") as file:
        file.write("x")


class Torn(FilePublication):
    """Sabotage: writes the public file in place."""

    def publish(self, fence: Fence, digest: str) -> str:
        with self._public.open("w", encoding="utf-8") as file:
            for row in ROWS:
                file.write(f"{row}\n"[: None if row != ROWS[-1] else -1])
                file.flush()
                time.sleep(0.0005)
        _count(self.folder)
        return digest


class Overwriting(FilePublication):
    """Publishes by replacing whatever is there."""

    def publish(self, fence: Fence, digest: str) -> str:
        self._staged.replace(self._public)
        _count(self.folder)
        return digest


class Forgetful(Overwriting):
    """Sabotage: replaces what is there, and never asks what is published."""

    def published(self) -> str | None:
        return None


class Unfenced(Forgetful):
    """Sabotage: also under a ledger that lets everyone pass."""


SABOTAGES = {kind.__name__: kind for kind in (FilePublication, Torn, Forgetful, Unfenced)}


@dataclass(frozen=True)
class FileScenario:
    """One file's life in a folder."""

    folder: Path
    key: str = "toy:file"

    def ledger(self) -> Ledger:
        return Ledger(f"sqlite:///{self.folder / 'ledger.db'}")

    def attempt(self, sabotage: str = "") -> None:
        if sabotage == Unfenced.__name__:
            Ledger.check_fence = lambda self, fence: None  # type: ignore[method-assign]
        ledger = self.ledger()
        fence = ledger.begin_attempt(self.key)
        kind = SABOTAGES[sabotage or FilePublication.__name__]
        commit(ledger, fence, kind(self.folder, fence.token))

    def visible(self) -> str | None:
        path = self.folder / "public"
        if not path.exists():
            return None
        text = path.read_text(encoding="utf-8")
        assert text == TEXT, f"half a file: {len(text)} of {len(TEXT)}"
        return _digest(text)

    def commits(self) -> int:
        path = self.folder / "commits"
        return len(path.read_text(encoding="utf-8")) if path.exists() else 0
