"""What is wrong with a night's data, or with what callers sent, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from airloop.columns import shown


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a night's data, and the columns it is wrong with (none: the whole)."""

    what: str
    columns: tuple[str, ...] = ()
    #: A move that many columns may make together, as in a season: of itself no proof that something broke.
    moved: bool = False
    #: What may prove to be the world's doing by lasting: values have changed, and nothing is absent or twice there.
    lasting: bool = False
    #: The partition it is wrong with, where that is not the night's own: labels come late.
    partition: str | None = None

    def __str__(self) -> str:
        named = ", ".join(map(shown, self.columns))
        told = f"{self.what}: {named}" if named else self.what
        return f"labels of {self.partition}: {told}" if self.partition else told


@dataclass(frozen=True)
class Skew:
    """One column of which callers sent other values than were delivered of the same rows."""

    column: str
    #: What became of the values, the most frequent first.
    what: tuple[str, ...]
    #: Rows whose values differ, and all that both sides have.
    differing: int
    rows: int
    #: The versions that answered such rows.
    versions: tuple[int, ...] = ()

    def __str__(self) -> str:
        part = self.differing / self.rows
        return f"{self.column}: {', '.join(self.what)}, in {part:.0%} of {self.rows:,} rows"
