"""The mutation tool itself: what it changes is really another program, and the same one for the same seed."""

from __future__ import annotations

import ast

from tests.mutants.mutation import mutants

SOURCE = '''
def judge(failed: int, slowest: float) -> bool:
    """A verdict."""
    ok = failed == 0 and 0 < slowest <= 1_000.0
    return bool(ok)
'''


def test_each_mutant_is_another_program_that_still_parses() -> None:
    found = mutants(SOURCE, seed=1, limit=100)
    plain = ast.dump(ast.parse(SOURCE))
    sources = {mutant.source for mutant in found}
    assert len(sources) == len(found) > 5
    assert all(ast.dump(ast.parse(source)) != plain for source in sources)
    assert any("failed != 0" in source for source in sources)


def test_what_is_imported_for_types_alone_is_left_alone() -> None:
    source = "if TYPE_CHECKING:\n    import json\nif ready:\n    go()\n"
    assert [mutant.line for mutant in mutants(source, seed=1, limit=100)] == [3]


def test_a_seed_names_the_same_mutants_again() -> None:
    assert mutants(SOURCE, seed=3, limit=2) == mutants(SOURCE, seed=3, limit=2)
    assert len(mutants(SOURCE, seed=3, limit=2)) == 2
