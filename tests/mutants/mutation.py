"""One small sabotage at a time: a comparison turned, a constant moved, a condition denied, a result dropped."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass

_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """A module's source with one thing changed."""

    line: int
    what: str
    source: str


def mutants(source: str, seed: int, limit: int) -> list[Mutant]:
    """Up to ``limit`` mutants of a module, the same ones for the same seed."""
    tree = ast.parse(source)
    count = sum(1 for _ in _places(tree))
    chosen = random.Random(seed).sample(range(count), min(limit, count))
    return [_mutant(tree, index) for index in sorted(chosen)]


def _mutant(tree: ast.Module, index: int) -> Mutant:
    changed = copy.deepcopy(tree)
    node = next(node for at, node in enumerate(_places(changed)) if at == index)
    what = _change(node)
    return Mutant(getattr(node, "lineno", 0), what, ast.unparse(changed))


def _places(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that can be changed, docstrings, annotations and messages left alone."""
    for node in ast.walk(tree):
        if (
            (isinstance(node, ast.Compare) and type(node.ops[0]) in _TURNED)
            or (isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS)
            or (isinstance(node, ast.BoolOp | ast.IfExp | ast.If) and not _of_types(node))
            or (isinstance(node, ast.Constant) and type(node.value) in (int, float, bool))
            or (isinstance(node, ast.Return) and isinstance(node.value, ast.Call | ast.Name))
        ):
            yield node


def _of_types(node: ast.BoolOp | ast.IfExp | ast.If) -> bool:
    """Whether it is `if TYPE_CHECKING`: denied, it imports what is there anyway."""
    test = getattr(node, "test", None)
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _change(node: ast.AST) -> str:
    before = ast.unparse(node).splitlines()[0][:80]
    if isinstance(node, ast.Compare):
        node.ops[0] = _TURNED[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = _OPERATORS[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Constant):
        node.value = (not node.value) if isinstance(node.value, bool) else node.value + 1
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)
    return f"{before}  ->  {ast.unparse(node).splitlines()[0][:80]}"
