"""The contract of delivery strategies."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from airloop.plugins.registry import ROLLOUTS, Seam
from airloop.plugins.rollout import Move, Seen, Stage, Standing, Verdict
from airloop.testing.plugin import SpecContract
from airloop.vocabulary import Role

#: A version that answers as the champion does, of which a thousand requests were seen.
SOUND = Standing(
    step=0,
    minutes=10,
    champion=Seen(asked=9_000, answered=9_000, p99_ms=10),
    candidate=Seen(asked=1_000, answered=1_000, p99_ms=10, compared=1_000),
)
#: One that answers nothing, and one that answers everything otherwise, late, and not with numbers.
BROKEN = SOUND.model_copy(
    update={"candidate": Seen(asked=1_000, answered=0, errors=1_000, not_finite=0)}
)
WRONG = SOUND.model_copy(
    update={
        "candidate": Seen(
            asked=1_000, answered=900, not_finite=100, p99_ms=900, compared=900, differing=900
        )
    }
)


class RolloutContract(SpecContract):
    """Subclass it with the fixtures ``plugin`` and ``data``."""

    seam: ClassVar[Seam] = ROLLOUTS

    @pytest.fixture
    def stages(self, plugin: Any, spec: Any) -> tuple[Stage, ...]:
        """Its steps."""
        return tuple(plugin.stages(spec))

    def test_its_steps_can_be_answered_by(
        self, stages: tuple[Stage, ...], plugin: Any, spec: Any
    ) -> None:
        """Never as the champion, who is another version; only a shadow sees all; they are the same again."""
        for stage in stages:
            assert isinstance(stage, Stage)
            assert stage.role is not Role.CHAMPION
            assert stage.weight < 100 or stage.role is Role.SHADOW
            assert (stage.role is Role.CHALLENGER) is (stage.key is not None)
        assert tuple(plugin.stages(spec)) == stages

    def test_a_sound_version_goes_on_or_waits_in_each_step(
        self, stages: tuple[Stage, ...], plugin: Any, spec: Any
    ) -> None:
        """With a reason for the record."""
        for step in range(len(stages)):
            said = plugin.judge(spec, SOUND.model_copy(update={"step": step}))
            assert isinstance(said, Verdict)
            assert (said.move is not Move.BACK, bool(said.reason)) == (True, True), said

    def test_a_bad_version_goes_on_in_no_step(
        self, stages: tuple[Stage, ...], plugin: Any, spec: Any
    ) -> None:
        """Neither one that answers nothing nor one that answers wrongly: it goes back, or waits for a person."""
        for seen in (BROKEN, WRONG):
            for step in range(len(stages)):
                late = seen.model_copy(update={"step": step, "minutes": 100_000})
                said = plugin.judge(spec, late)
                assert said.move is not Move.ON, said

    def test_it_says_the_same_again(self, plugin: Any, spec: Any) -> None:
        """A look that is repeated must not change a verdict; and it is kept as JSON."""
        first, again = plugin.judge(spec, SOUND), plugin.judge(spec, SOUND)
        assert first == again
        assert Verdict.model_validate_json(first.model_dump_json()) == first
