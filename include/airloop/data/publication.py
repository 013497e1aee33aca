"""One validated partition on its way into the lake, as the commit kernel wants it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pyarrow as pa

from airloop.contracts import DatasetRef, Fence
from airloop.data.changes import Changes, compare
from airloop.data.lake.delta import Staged
from airloop.data.lake.digest import dataset_digest, rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.streams import Rows, whole, without
from airloop.data.validation.quarantine import EMPTY, Validated, belonging_to, bring_up, table_name
from airloop.errors import DamagedError, DataError
from airloop.ledger import Ledger
from airloop.specs.dataset import DatasetSpec

log = logging.getLogger("airloop.ingest")


@dataclass(frozen=True)
class Content:
    """A partition's good rows and its quarantined ones, each with their digest."""

    spec: DatasetSpec
    partition: str
    good: Rows
    good_digest: str
    #: Without the name of the good rows.
    aside: Rows

    @classmethod
    def of(cls, spec: DatasetSpec, partition: str, validated: Validated) -> Content:
        """What validation let in and what it put aside.

        :raises DataError: if it refused the partition
        """
        if validated.good is None or validated.quarantined is None:
            raise DataError("a refused partition cannot be published", value=partition)
        digest = validated.digest or rows_digest(validated.good, without=[spec.key_column])
        return cls(spec, partition, validated.good, digest, validated.quarantined)

    @property
    def quarantined(self) -> Rows:
        """The rows that were put aside, with the name of the good ones."""
        return belonging_to(self.aside, self.good_digest)

    def is_in(self, lake: Lake) -> bool:
        """Whether the lake has these very rows, by whatever scheme they are named there."""
        named = lake.partition_digest(self.spec.name, self.partition)
        if named is None or not self._good_is_in(lake):
            return False
        return self.quarantine_is_in(lake, named)

    def _good_is_in(self, lake: Lake) -> bool:
        return _is_named(lake, self.spec.name, self.partition, self.good_digest)

    def is_settled(self, lake: Lake, ledger: Ledger, fence_key: str) -> bool:
        """Whether the lake has these very rows, and no attempt sleeps that could still put others in their place."""
        if not self.is_in(lake):
            return False
        table = lake.opened(self.spec.name)
        shut_out = table.transaction_version(fence_key) if table is not None else None
        return (shut_out or 0) >= ledger.newest_attempt(fence_key)

    def quarantine_digest(self, good: str) -> str:
        """The digest of the rows that were put aside, with a name of the good ones."""
        if not self.aside.num_rows:
            return EMPTY
        return rows_digest(belonging_to(self.aside, good), without=[self.spec.key_column])

    def quarantine_is_in(self, lake: Lake, good: str) -> bool:
        """Whether these very rows are put aside, under a name of the good ones."""
        name, digest = table_name(self.spec.name), self.quarantine_digest(good)
        if lake.partition_digest(name, self.partition) is None:
            return digest == EMPTY
        return _is_named(lake, name, self.partition, digest)

    def changes(self, lake: Lake) -> Changes | None:
        """What would change in the lake's good rows; None where there are none, or these already."""
        name = self.spec.name
        digest = lake.partition_digest(name, self.partition)
        if digest is None or self._good_is_in(lake):
            return None
        try:
            before = lake.read_table(lake.snapshot(name, [self.partition]))
        except DamagedError as error:
            log.warning("%s: nobody can tell what changes", error)
            return None
        present = self.spec.present_names
        before = before.rename_columns([present.get(one, one) for one in before.column_names])
        # The partition's own key is the same in all rows, and a date in some tables where it is a text in others.
        own = self.spec.key_column
        sides: list[pa.Table] = [whole(without(rows, own)) for rows in (before, self.good)]
        keys = [key for key in self.spec.keys if key != own]
        if any(key not in sides[0].column_names for key in keys):
            return None  # what names a row now did not name one then
        for key in keys:
            wide = sides[1].schema.field(key).type
            place = sides[0].column_names.index(key)
            sides[0] = sides[0].set_column(place, key, sides[0][key].cast(wide))
        return compare(sides[0], sides[1], keys, digest)


def _is_named(lake: Lake, name: str, partition: str, digest: str) -> bool:
    """Whether a partition's rows have a digest, by whatever scheme they are named there."""
    try:
        return lake.partition_digest(name, partition, digest) == digest
    except DamagedError as error:
        log.warning("%s: it counts as other rows", error)
        return False


class PartitionPublication:
    """Good rows and quarantined rows, each one Delta commit, the good rows last: they are what is published.

    A :class:`airloop.ledger.commit.Publication` of the partition's reference.
    """

    def __init__(self, lake: Lake, content: Content, fence: Fence) -> None:
        self._lake, self._content, self._fence = lake, content, fence
        self._spec, self._partition = content.spec, content.partition
        #: Against the version that was there, once it is staged.
        self.changes: Changes | None = None
        self._staged: Staged | None = None
        self._staged_quarantine: Staged | None = None

    def published(self) -> DatasetRef | None:
        """The partition's reference, if these very rows are there and their bytes say so.

        An older attempt that sleeps must not put its rows over them when it wakes: hence the token, and the
        second look after it.
        """
        bring_up(self._lake, self._spec.name)
        if not self._content.is_in(self._lake):
            return None
        self._lake.leave_token(table_name(self._spec.name), self._fence)
        self._lake.leave_token(self._spec.name, self._fence)
        if not self._content.is_in(self._lake):
            return None
        ref = self._lake.snapshot(self._spec.name, [self._partition])
        try:
            self._lake.verify(ref)
        except DamagedError as error:
            log.warning("%s: the same rows take its place", error)
            return None
        return ref

    def stage(self) -> None:
        """Write both files beside their tables, where no reader looks; compare with what they would replace."""
        if not self._content.quarantine_is_in(self._lake, self._content.good_digest):
            self._staged_quarantine = self._lake.stage_partition(
                table_name(self._spec.name),
                self._partition,
                self._content.quarantined,
                partition_column=self._spec.key_column,
                fence=self._fence,
            )
        self._staged = self._lake.stage_partition(
            self._spec.name,
            self._partition,
            self._content.good,
            partition_column=self._spec.key_column,
            fence=self._fence,
            cadence=self._spec.cadence,
            digest=self._content.good_digest,
        )
        self.changes = self._content.changes(self._lake)

    def checksum(self) -> str:
        """The digest of the rows read back from the staged files.

        :raises DataError: if they are not the rows that were validated
        """
        good = self._read_back(self._spec.name, self._staged, self._content.good_digest)
        if self._staged_quarantine is not None:
            self._read_back(
                table_name(self._spec.name),
                self._staged_quarantine,
                self._content.quarantine_digest(self._content.good_digest),
            )
        return dataset_digest([(self._partition, good)])

    def publish(self, fence: Fence, digest: str) -> DatasetRef:
        """Commit the quarantine, which counts for nothing alone, then the partition.

        :raises SupersededError: if a newer attempt has committed this partition
        """
        if self._staged is None:
            raise DataError("nothing was staged", value=self._partition)
        name = table_name(self._spec.name)
        if self._staged_quarantine is not None:
            self._lake.commit_partition(name, self._staged_quarantine, fence)
        else:
            self._lake.leave_token(name, fence)
        self._lake.commit_partition(self._spec.name, self._staged, fence, self.changes)
        return self._lake.snapshot(self._spec.name, [self._partition])

    def verify(self, result: DatasetRef, digest: str) -> None:
        """Read the rows back.

        :raises DataError: if they are not the ones that were staged
        """
        if result.digest != digest:
            raise DataError(
                "the partition does not show what was staged", value=result.digest, where=result.uri
            )
        # That these bytes hold the rows, `checksum` has found.
        self._lake.verify(result, decode=False)

    def _read_back(self, name: str, staged: Staged | None, wanted: str) -> str:
        digest = self._lake.staged_digest(name, staged) if staged is not None else ""
        if digest != wanted:
            raise DataError(
                "the staged rows are not the ones that were validated",
                value=digest,
                where=f"{name}, partition {self._partition}",
            )
        return digest
