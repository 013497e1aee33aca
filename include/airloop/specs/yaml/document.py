"""Reading YAML: plain data with unique keys, by the rules of YAML 1.2, and where each key stands.

PyYAML reads YAML 1.1, in which ``no`` is false, ``on`` is true, 06:30 is 390 and 1e999 is a text.
Here only ``true`` and ``false`` are booleans, and a day such as 2013-01-05 stays a text that the
specs read as a date. Aliases (the way of the billion laughs) and tags (``!!python/object``) are refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer

from airloop.errors import SpecError
from airloop.issues import KeyPath, SpecIssue
from airloop.textfile import read_text

#: How many keys and values a file may hold: a spec of a thousand columns has a fifth of it.
MAX_NODES = 50_000
#: How deep mappings and lists may nest.
MAX_DEPTH = 20
#: Digits of a number: more are a mistake, and reading them takes quadratic time.
MAX_DIGITS = 100

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")


@dataclass
class Document:
    """One YAML file: its data, the line of each key, and what is wrong with it as YAML."""

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    #: The line, counted from 1, on which the value at a path starts.
    lines: dict[KeyPath, int] = field(default_factory=dict)
    #: Duplicate keys and values that cannot be: everything that does not stop the reading.
    flaws: list[tuple[SpecIssue, int]] = field(default_factory=list)

    def line(self, path: KeyPath) -> int | None:
        """The line of a key; of the nearest key above it that is there, where it is missing."""
        for length in range(len(path), 0, -1):
            if line := self.lines.get(path[:length]):
                return line
        return None

    def where(self, issue: SpecIssue, line: int | None = None) -> str:
        """File, line and key of an issue, for a person."""
        line = line or self.line(issue.path)
        at = f", line {line}" if line else ""
        return f"{self.path}{at}" + (f", key {issue.key}" if issue.path else "")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    :raises SpecError: naming file, line and key, for anything that is not plain YAML with unique keys
    """
    return read_document(path, strict=True).data


def read_document(path: Path, *, strict: bool = False) -> Document:
    """Read one YAML mapping with the places of its keys.

    :param strict: whether the first flaw is raised; otherwise they are all in ``flaws``
    :raises SpecError: if the file cannot be read as YAML at all
    """
    document = Document(path)
    try:
        root = _Parser(read_text(path)).get_single_node()
        data = _Builder(document).build(root, ()) if root else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{path}, line {mark.line + 1}" if mark else str(path)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(f"not valid YAML: {said}", where=line) from error
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise SpecError(f"not valid YAML: {first}", where=str(path)) from error
    if data is not None and not isinstance(data, dict):
        raise SpecError(
            "the file must hold a mapping of keys to values",
            value=type(data).__name__,
            where=str(path),
        )
    document.data = data or {}
    if strict and document.flaws:
        flaw, at = document.flaws[0]
        raise SpecError(
            flaw.what, value=flaw.value, where=document.where(flaw, at), remedy=flaw.remedy
        )
    return document


class _Parser(Composer, yaml.CBaseLoader):
    """libyaml's events (ten times faster than PyYAML's own), composed to a tree without meaning.

    What a scalar means is decided by :class:`_Builder`, so nothing but plain data is ever built.
    """

    def __init__(self, text: str) -> None:
        yaml.CBaseLoader.__init__(self, text)
        Composer.__init__(self)
        self._depth = self._nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases are not allowed; write the value out", event)
        if (tag := getattr(event, "tag", None)) is not None:
            raise _refusal(f"tags such as {tag!r} are not allowed; write plain data", event)
        if self._depth > MAX_DEPTH:
            raise _refusal(f"nested deeper than {MAX_DEPTH} levels", event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _refusal(f"holds more than {MAX_NODES:,} keys and values", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Every node gets the same empty tag."""
        return ""

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Nothing depends on the place of a node."""

    def ascend_resolver(self) -> None:
        """Nothing depends on the place of a node."""


def _refusal(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, event.start_mark)


class _Builder:
    """Plain data from a tree of nodes, by YAML 1.2's core schema."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        if path:
            self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and not node.style:
            return self._plain(node, path)
        return node.value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._flaw(path, line, "a key must be a text, not a list or a mapping")
                continue
            key = key_node.value
            if key in result:
                first = self._document.lines[(*path, key)]
                what = f"the key stands twice, first on line {first}"
                self._flaw((*path, key), line, what, remedy="keep one of the two")
                continue
            self._document.lines[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key))
        return result

    def _plain(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = node.value
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if not (_FLOAT.match(text) or _BASED.match(text) or _NOT_FINITE.match(text)):
            return text
        return self._number(text, path, node.start_mark.line + 1)

    def _number(self, text: str, path: KeyPath, line: int) -> int | float | None:
        if len(text) > MAX_DIGITS:
            self._flaw(path, line, f"a number has more than {MAX_DIGITS} digits", text)
            return None
        if _BASED.match(text):
            return int(text, 0)
        if _INTEGER.match(text):
            return int(text)
        number = float("nan") if _NOT_FINITE.match(text) else float(text)
        if not math.isfinite(number):
            self._flaw(path, line, "the number is not finite", text, "write a finite number")
            return None
        return number

    def _flaw(
        self, path: KeyPath, line: int, what: str, value: object = None, remedy: str = ""
    ) -> None:
        self._document.flaws.append((SpecIssue(path, what, value, remedy), line))
