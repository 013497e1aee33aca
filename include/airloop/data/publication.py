"""One validated partition on its way into the lake, as the commit kernel wants it."""

from __future__ import annotations

from airloop.contracts import DatasetRef, Fence
from airloop.data.lake.delta import Staged
from airloop.data.lake.digest import dataset_digest, rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.validation.quarantine import EMPTY, Validated, belonging_to, bring_up, table_name
from airloop.errors import DataError
from airloop.specs.dataset import DatasetSpec


class PartitionPublication:
    """Good rows and quarantined rows, each one Delta commit, the good rows last: they are what is published.

    A :class:`airloop.ledger.commit.Publication` of the partition's reference.
    """

    def __init__(
        self, lake: Lake, spec: DatasetSpec, partition: str, validated: Validated, fence: Fence
    ) -> None:
        if validated.good is None or validated.quarantined is None:
            raise DataError("a refused partition cannot be published", value=partition)
        self._lake, self._spec, self._partition, self._fence = lake, spec, partition, fence
        self._good = validated.good
        self._good_digest = rows_digest(self._good, without=[spec.key_column])
        self._quarantined = belonging_to(validated.quarantined, self._good_digest)
        self._quarantine_digest = (
            rows_digest(self._quarantined, without=[spec.key_column])
            if self._quarantined.num_rows
            else EMPTY
        )
        self._staged: Staged | None = None
        self._staged_quarantine: Staged | None = None

    def published(self) -> DatasetRef | None:
        """The partition's reference, if these very rows are there and their bytes say so.

        An older attempt that sleeps must not put its rows over them when it wakes: hence the token, and the
        second look after it.
        """
        bring_up(self._lake, self._spec.name)
        if not self._is_there():
            return None
        self._lake.leave_token(table_name(self._spec.name), self._fence)
        self._lake.leave_token(self._spec.name, self._fence)
        if not self._is_there():
            return None
        ref = self._lake.snapshot(self._spec.name, [self._partition])
        self._lake.verify(ref)
        return ref

    def stage(self) -> None:
        """Write both files beside their tables, where no reader looks."""
        if not self._quarantine_is_there():
            self._staged_quarantine = self._lake.stage_partition(
                table_name(self._spec.name),
                self._partition,
                self._quarantined,
                partition_column=self._spec.key_column,
                fence=self._fence,
            )
        self._staged = self._lake.stage_partition(
            self._spec.name,
            self._partition,
            self._good,
            partition_column=self._spec.key_column,
            fence=self._fence,
        )

    def checksum(self) -> str:
        """The digest of the rows read back from the staged files.

        :raises DataError: if they are not the rows that were validated
        """
        good = self._read_back(self._spec.name, self._staged, self._good_digest)
        if self._staged_quarantine is not None:
            self._read_back(
                table_name(self._spec.name), self._staged_quarantine, self._quarantine_digest
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
        self._lake.commit_partition(self._spec.name, self._staged, fence)
        return self._lake.snapshot(self._spec.name, [self._partition])

    def verify(self, result: DatasetRef, digest: str) -> None:
        """Read the rows back.

        :raises DataError: if they are not the ones that were staged
        """
        if result.digest != digest:
            raise DataError(
                "the partition does not show what was staged", value=result.digest, where=result.uri
            )
        self._lake.verify(result)

    def _is_there(self) -> bool:
        good = self._lake.partition_digest(self._spec.name, self._partition)
        return good == self._good_digest and self._quarantine_is_there()

    def _quarantine_is_there(self) -> bool:
        there = self._lake.partition_digest(table_name(self._spec.name), self._partition)
        return (there or EMPTY) == self._quarantine_digest

    def _read_back(self, name: str, staged: Staged | None, wanted: str) -> str:
        digest = self._lake.staged_digest(name, staged) if staged is not None else ""
        if digest != wanted:
            raise DataError(
                "the staged rows are not the ones that were validated",
                value=digest,
                where=f"{name}, partition {self._partition}",
            )
        return digest
