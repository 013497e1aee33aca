"""A room's tests on a sabotaged copy: what is noticed, what survives, and what never ends, each told as what it is."""

from __future__ import annotations

import pytest

from tests.mutants.mutation import Mutant
from tests.mutants.room import Fate, Room

MODULE = "def more(number):\n    if number < 0:\n        return 0\n    return number + 1\n"
TEST = "from airloop.room import counting\n\n\ndef test_more():\n    assert counting.more(1) == 2\n"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """A package of one room and its one test, learnt."""
    folder = tmp_path_factory.mktemp("room")
    (folder / "airloop" / "room").mkdir(parents=True)
    for package in ("airloop", "airloop/room"):
        (folder / package / "__init__.py").touch()
    (folder / "airloop" / "room" / "counting.py").write_text(MODULE, encoding="utf-8")
    tests = folder / "test_counting.py"
    tests.write_text(TEST, encoding="utf-8")
    made = Room("room", folder, (str(tests),))
    assert made.learn()
    return made


@pytest.mark.parametrize(
    ("line", "before", "after", "patience", "fate"),
    [
        (4, "number + 1", "number - 1", 120, Fate.NOTICED),
        (3, "return 0", "return 1", 120, Fate.SURVIVED),
        (4, "    return number + 1", "    while True:\n        pass", 2, Fate.TIMED_OUT),
    ],
    ids=["noticed", "survived", "timed out"],
)
def test_a_mutants_fate(
    room: Room, line: int, before: str, after: str, patience: float, fate: Fate
) -> None:
    room.patience = patience
    mutant = Mutant(line, f"{before} -> {after}", MODULE.replace(before, after))
    assert room.fate(mutant, "counting.py") is fate


def test_only_the_tests_that_run_a_line_are_asked_first(room: Room) -> None:
    (named,) = room.tests_of("counting.py", 4)
    assert named.endswith("test_counting.py::test_more")
    assert room.tests_of("counting.py", 1) == ()
