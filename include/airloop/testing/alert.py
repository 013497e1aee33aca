"""The contract of alert routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from airloop.plugins.alert import Alert
from airloop.plugins.registry import ALERTS, Seam
from airloop.testing.plugin import SpecContract

ALERT = Alert(
    model="guess",
    partition="2013-03-02",
    triage="data incident",
    reason="all values missing: temp",
    decision="d1",
    report=None,
)


class AlertContract(SpecContract):
    """Subclass it with the fixtures ``plugin``, ``data``, ``arrived`` and ``broken``."""

    seam: ClassVar[Seam] = ALERTS
    #: A text of ``data`` and ``broken`` that nobody may read in a log.
    secret: ClassVar[str] = ""

    @pytest.fixture
    def arrived(self) -> Sequence[str]:
        """What has come out at the other end, as text, looked at after ``send``."""
        raise NotImplementedError("override the fixture `arrived`")

    @pytest.fixture
    def broken(self) -> dict[str, Any]:
        """The YAML of a route on which nothing arrives; skip where that cannot be."""
        raise NotImplementedError("override the fixture `broken`")

    def test_it_arrives(self, plugin: Any, spec: Any, arrived: Sequence[str]) -> None:
        """With the model, the day and the reason."""
        assert plugin.send(spec, ALERT) is None
        text = "\n".join(map(str, arrived))
        assert all(part in text for part in (ALERT.model, ALERT.partition, ALERT.reason))

    def test_what_is_not_taken_is_said_in_one_line(
        self, plugin: Any, broken: dict[str, Any]
    ) -> None:
        """Never raised: an alert that fails costs no verdict."""
        said = plugin.send(plugin.spec.model_validate(broken), ALERT)
        assert isinstance(said, str)
        assert len(said.splitlines()) == 1
        assert not self.secret or self.secret not in said

    def test_its_spec_shows_no_secret(self, spec: Any) -> None:
        """It stands in settings, which are shown."""
        assert not self.secret or self.secret not in f"{spec!r} {spec.model_dump_json()}"
