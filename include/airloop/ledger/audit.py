"""The audit: whether the ledger's history is what was written, and which row is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, inspect

from airloop.ledger import guards
from airloop.ledger.chain import (
    KINDS,
    SCHEME,
    START,
    Covered,
    Link,
    entities,
    heads_of,
    links_of,
    rows_of,
)
from airloop.ledger.serving import serving
from airloop.ledger.tables import chain, deployments

#: Each entity's last link as it stood at some moment: its number and digest.
Heads = Mapping[str, tuple[int, str]]
#: What a row may be that a person accepts (:mod:`airloop.ledger.accepting`): an older Airloop links nothing.
UNLINKED = ("put there past Airloop", "edited: its state was changed past Airloop")
#: How far away a link is looked for that was moved.
_NEAR = 5


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was written."""

    table: str
    says: str
    entity: str = ""
    #: The link's number in the entity's chain; 0 where it is about none.
    sequence: int = 0
    #: The row's key.
    key: str = ""

    @property
    def row(self) -> str | None:
        """The row's name where a person may accept it; None where nobody may."""
        return f"{self.table}/{self.entity}/{self.key}" if self.says in UNLINKED else None

    def __str__(self) -> str:
        row = f", row {self.key}" if self.key else ""
        link = f", link {self.sequence}" if self.sequence else ""
        about = f" of {self.entity}" if self.entity else ""
        return f"{self.table}{about}{link}{row}: {self.says}"


@dataclass
class Audit:
    """What was looked at, and what is wrong; the first fault is the first in its chain."""

    entities: int = 0
    links: int = 0
    faults: list[Fault] = field(default_factory=list)
    #: Each chain's last link, at the moment of the look.
    heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: Whether the chains are those that were anchored.
    moored: bool = True

    @property
    def sound(self) -> bool:
        """Whether all of it is as it was written."""
        return not self.faults


def verify(connection: Connection, anchors: Mapping[str, Heads] | None = None) -> Audit:
    """Compare every covered row with its link, every link with the one before, and the heads with where they were anchored.

    :param connection: all queries of which see one moment
    :param anchors: what the heads were, by where that is kept
    """
    audit = _guarded(connection)
    if not audit.moored:
        return audit
    for entity in entities(connection):
        links = list(links_of(connection, entity))
        audit.entities, audit.links = audit.entities + 1, audit.links + len(links)
        audit.faults += _chained(entity, links)
        audit.faults += _covered(connection, entity, links)
    _moor(connection, audit, anchors or {})
    return audit


def glance(connection: Connection, anchors: Mapping[str, Heads] | None = None) -> Audit:
    """Look at the guards, the anchored links and who serves: a few rows of each chain, however long it is."""
    audit = _guarded(connection)
    if audit.moored:
        _moor(connection, audit, anchors or {})
        audit.faults += _serving(connection)
        audit.entities = len(audit.heads)
        audit.links = sum(sequence for sequence, _ in audit.heads.values())
    return audit


def _serving(connection: Connection) -> Iterator[Fault]:
    """The row that says what a model serves is linked: one that is put there is followed at once."""
    for model, found in sorted(serving(connection).items()):
        if found.doubted is not None:
            says = "not what its link says: `airloop audit verify` tells what was done"
            yield Fault(deployments.name, says, model, 0, str(found.doubted))


def _guarded(connection: Connection) -> Audit:
    """The tables and the guards; nothing is moored where a table is gone."""
    there = set(inspect(connection).get_table_names())
    missing = [table.name for table in guards.GUARDED if table.name not in there]
    faults = [Fault(name, "the table was dropped") for name in missing]
    if not missing:
        faults += [Fault(table, says) for table, says in guards.faults(connection)]
    return Audit(faults=faults, moored=not missing)


def _moor(connection: Connection, audit: Audit, anchors: Mapping[str, Heads]) -> None:
    """Read the chains' ends, and compare the anchored links."""
    audit.heads = heads_of(connection)
    faults = list(_anchored(connection, audit.heads, anchors))
    audit.faults += faults
    audit.moored = not faults


def _chained(entity: str, links: list[Link]) -> Iterator[Fault]:
    """Each link follows on the one before."""
    previous, sequence = START, 0
    for index, link in enumerate(links):
        if link.sequence != sequence + 1:
            gone = _span(sequence + 1, link.sequence - 1)
            yield Fault(chain.name, f"deleted: {gone}", entity, sequence + 1)
        elif link.scheme != SCHEME:
            says = f"made by a scheme that this Airloop does not know: {link.scheme!r}"
            yield Fault(chain.name, says, entity, link.sequence, link.key)
        elif link.digest != link.after(previous):
            near = links[max(0, index - _NEAR) : index + _NEAR]
            yield Fault(chain.name, _why(link, near), entity, link.sequence, link.key)
        previous, sequence = link.digest, link.sequence


def _why(link: Link, near: list[Link]) -> str:
    """What was done to a link whose digest is not that of what it says; exchanged links of a distance are not told apart."""
    digests = [START, *(one.digest for one in near)]
    for number in sorted(one.sequence for one in near):
        moved = replace(link, sequence=number)
        if number != link.sequence and link.digest in map(moved.after, digests):
            return f"re-ordered: it was link {number}"
    return "edited, or the link before it is another"


def _covered(connection: Connection, entity: str, links: list[Link]) -> Iterator[Fault]:
    """Each row is what its link says, and each has one."""
    linked: dict[tuple[str, str], Link] = {}
    for link in links:
        kind = KINDS.get(link.kind)
        if kind is None:
            yield Fault(chain.name, f"of no kind: {link.kind!r}", entity, link.sequence, link.key)
        elif (link.kind, link.key) in linked and not kind.changes:
            yield Fault(kind.table.name, "linked twice", entity, link.sequence, link.key)
        else:
            linked[link.kind, link.key] = link
    for kind in KINDS.values():
        for row in rows_of(connection, kind, entity):
            found = linked.pop((row.kind, row.key), None)
            if found is None:
                yield Fault(kind.table.name, UNLINKED[0], entity, 0, row.key)
            elif says := _differs(row, found):
                yield Fault(kind.table.name, says, entity, found.sequence, row.key)
    for link in sorted(linked.values(), key=lambda one: one.sequence):
        table = KINDS[link.kind].table.name
        yield Fault(table, "deleted", entity, link.sequence, link.key)


def _differs(row: Covered, link: Link) -> str | None:
    same_place, same = row.place == link.place, row.content == link.content
    if same:
        return None if same_place else f"re-ordered: it was number {link.place}, now {row.place}"
    if not same_place:
        return f"replaced: number {link.place} was written, number {row.place} says something else"
    return UNLINKED[1] if link.kind == "state" else "edited"


def _anchored(
    connection: Connection, heads: Heads, anchors: Mapping[str, Heads]
) -> Iterator[Fault]:
    """What was the last link at some moment is in its chain still."""
    for place, anchored in anchors.items():
        for entity, (sequence, digest) in sorted(anchored.items()):
            last = heads.get(entity, (0, START))[0]
            if sequence > last:
                yield Fault(chain.name, _gone(place, last + 1, sequence), entity, last + 1)
            elif sequence:
                link = next(links_of(connection, entity, sequence - 1), None)
                if link is None or link.sequence != sequence:
                    says = f"deleted: {_span(sequence, sequence)}, as {place} knows"
                    yield Fault(chain.name, says, entity, sequence)
                elif link.digest != digest:
                    says = f"replaced: not the link that was anchored in {place}"
                    yield Fault(chain.name, says, entity, sequence, link.key)


def _gone(place: str, first: int, last: int) -> str:
    return f"truncated: {_span(first, last)}, as {place} knows"


def _span(first: int, last: int) -> str:
    return f"link {first} is gone" if first == last else f"links {first} to {last} are gone"
