"""Deliveries that come late, corrected and doubled, in whatever order, end in one state of the lake.

Each order is drawn from its number: deliveries at the source, runs that ingest what is there by then, and runs that fall asleep
with what they have read and wake up after others. `make orders` tries 1,000 of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from random import Random

import pyarrow as pa

from airloop.columns import REASONS
from airloop.contracts import Outcome, ValidationReport
from airloop.data.corrections import put_down
from airloop.data.lake.history import committed
from airloop.data.lake.lake import Lake
from airloop.data.publication import Content, PartitionPublication
from airloop.data.validation.quarantine import Validated, quarantined_rows
from airloop.errors import SupersededError
from airloop.ledger import open_ledger
from airloop.ledger.commit import commit
from airloop.settings import Settings
from airloop.testing.specs import toy_dataset
from airloop.vocabulary import Topic

ORDERS = int(os.environ.get("AIRLOOP_ORDERS", "25"))
SPEC = toy_dataset()
NAME = SPEC.name
#: Each partition's versions at the source, with the rows that validation puts aside; the last takes a correction back.
SOURCE: dict[str, list[tuple[list[int], list[int]]]] = {
    "2024-03-01": [([1, 2, 3], []), ([1, 2, 4, 5], [])],
    "2024-03-02": [([1], [2]), ([1, 2], []), ([1], [2])],
    "2024-03-03": [([7], [])],
}


class Shop:
    """A source to which versions come in any order, and which answers with the highest that has come; and its lake."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(
            lake_uri=str(folder / "lake"), ledger_url=f"sqlite:///{folder / 'ledger.db'}"
        )
        self.lake, self.ledger = Lake(settings), open_ledger(settings)
        self.come: dict[str, int] = {}

    def deliver(self, key: str, version: int) -> None:
        self.come[key] = max(version, self.come.get(key, 0))

    def read(self, key: str) -> Content:
        return Content.of(SPEC, key, validated(key, *SOURCE[key][self.come[key]]))

    def ingest(self, key: str) -> None:
        fence = self.ledger.begin_attempt(f"ingest:{NAME}:{key}")
        commit(self.ledger, fence, PartitionPublication(self.lake, self.read(key), fence))

    def recheck(self, key: str) -> None:
        if not self.read(key).is_settled(self.lake, self.ledger, f"ingest:{NAME}:{key}"):
            self.ingest(key)

    def fall_asleep(self, key: str) -> Callable[[], None]:
        """An attempt that has staged what it read, and has asked for the last time whether it is the newest."""
        fence = self.ledger.begin_attempt(f"ingest:{NAME}:{key}")
        attempt = PartitionPublication(self.lake, self.read(key), fence)
        if attempt.published() is not None:
            return lambda: None
        attempt.stage()
        digest = attempt.checksum()

        def wake_up() -> None:
            with suppress(SupersededError):
                attempt.publish(fence, digest)

        return wake_up

    def state(self) -> dict[str, object]:
        there = self.lake.partitions(NAME)
        aside = quarantined_rows(self.lake, self.lake.snapshot(NAME, there))
        digests: dict[str, object] = {key: self.lake.partition_digest(NAME, key) for key in there}
        return digests | {"aside": sorted(aside["id"]) if len(aside) else []}


def validated(key: str, good: list[int], aside: list[int]) -> Validated:
    """What validation would say; asking it a thousand times over tells nothing more."""
    report = ValidationReport(
        dataset=NAME, partition=key, outcome=Outcome.OK, checks=(), rows=len(good)
    )
    reasons = pa.array(["negative"] * len(aside), pa.string())
    return Validated(report, rows(key, good), rows(key, aside).append_column(REASONS, reasons))


def rows(key: str, numbers: list[int]) -> pa.Table:
    count = len(numbers)
    return pa.table(
        {
            "id": pa.array([f"o{number}" for number in numbers], pa.string()),
            "day": pa.array([date.fromisoformat(key)] * count, pa.date32()),
            "far": pa.array([float(number) for number in numbers], pa.float64()),
        }
    )


def straight(folder: Path) -> dict[str, object]:
    """The state after each partition's last version alone, in order."""
    shop = Shop(folder)
    for key, versions in SOURCE.items():
        shop.deliver(key, len(versions) - 1)
        shop.ingest(key)
    return shop.state()


def shuffled(folder: Path, number: int) -> Shop:
    """Deliveries, some of them doubled, with what runs between them; at last one that looks at all."""
    random, shop = Random(number), Shop(folder)
    coming = [
        (key, version) for key, versions in SOURCE.items() for version in range(len(versions))
    ]
    coming += random.sample(coming, 2)
    random.shuffle(coming)
    asleep: list[Callable[[], None]] = []
    for key, version in coming:
        shop.deliver(key, version)
        act = random.choice([shop.ingest, shop.recheck, shop.fall_asleep, None])
        known = random.choice(sorted(shop.come))
        if act is not None and (sleeper := act(known)) is not None:
            asleep.append(sleeper)
        if asleep and random.random() < 0.3:
            asleep.pop(random.randrange(len(asleep)))()
    for key in shop.come:
        shop.recheck(key)
    for wake_up in asleep:
        wake_up()
    return shop


def test_every_order_ends_in_one_state(tmp_path: Path) -> None:
    wanted = straight(tmp_path / "straight")
    for number in range(ORDERS):
        folder = tmp_path / "shuffled"
        shop = shuffled(folder, number)
        assert shop.state() == wanted, f"order {number}"
        put_down(shop.lake, shop.ledger, NAME, SOURCE)
        told = shop.ledger.decisions(NAME, Topic.CORRECTION)
        log = [one for one in committed(shop.lake, NAME, 1000) if one.changes is not None]
        assert sorted(one.figures["version"] for one in told) == sorted(
            one.version for one in log
        ), f"order {number}"
        shutil.rmtree(folder)


def test_a_look_that_leaves_no_token_would_be_undone_by_a_sleeper(tmp_path: Path) -> None:
    """The control: the rows are as they should be, and yet an attempt that has read others sleeps."""
    shop = Shop(tmp_path)
    key = "2024-03-02"
    shop.deliver(key, 0)
    shop.ingest(key)
    wanted = shop.state()
    shop.deliver(key, 1)
    wake_up = shop.fall_asleep(key)
    shop.deliver(key, 2)
    assert shop.read(key).is_in(shop.lake)
    shop.recheck(key)
    wake_up()
    assert shop.state() == wanted
