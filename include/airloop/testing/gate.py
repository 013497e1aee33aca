"""The contract of gates."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, ClassVar

import pytest

from airloop.contracts import Check, Outcome
from airloop.plugins.registry import GATES, Seam
from airloop.testing.plugin import SpecContract


class GateContract(SpecContract):
    """Subclass it with the fixtures ``plugin``, ``data``, ``good``, ``bad`` and ``blind``.

    :func:`airloop.testing.cases.case_of` makes a case from labels and answers.
    """

    seam: ClassVar[Seam] = GATES

    @pytest.fixture
    def good(self) -> Any:
        """A case that passes."""
        raise NotImplementedError("override the fixture `good`")

    @pytest.fixture
    def bad(self) -> Any:
        """A case that is refused; skip where the gate only informs."""
        raise NotImplementedError("override the fixture `bad`")

    @pytest.fixture
    def blind(self) -> Any:
        """A case of which nothing can be told; skip where something always can."""
        raise NotImplementedError("override the fixture `blind`")

    def test_a_good_candidate_passes(self, plugin: Any, spec: Any, good: Any) -> None:
        """With a reason for the record."""
        said = plugin.check(good, spec)
        assert isinstance(said, Check)
        assert (said.outcome, bool(said.reason)) == (Outcome.OK, True), said.reason

    def test_a_bad_one_is_refused(self, plugin: Any, spec: Any, bad: Any) -> None:
        """With the reason."""
        said = plugin.check(bad, spec)
        assert (said.outcome, bool(said.reason)) == (Outcome.BAD, True), said.reason

    def test_what_cannot_be_told_is_neither(self, plugin: Any, spec: Any, blind: Any) -> None:
        """Could not tell is never ok, and an exception counts as that."""
        outcome = Outcome.UNKNOWN
        with suppress(Exception):
            outcome = plugin.check(blind, spec).outcome
        assert outcome is Outcome.UNKNOWN

    def test_it_says_the_same_again(self, plugin: Any, spec: Any, good: Any) -> None:
        """A step that is repeated must not change a verdict; and it is kept as JSON."""
        first, again = plugin.check(good, spec), plugin.check(good, spec)
        assert first == again
        assert Check.model_validate_json(json.dumps(first.model_dump(mode="json"))) == first
