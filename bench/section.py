"""A section of a page that a command writes: what was measured, kept as JSON, and put between the section's two marks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT

#: The page of `make judge`'s parts.
JUDGEMENT = ROOT / "docs" / "judgement.md"
Found = dict[str, Any]


def marks(name: str) -> tuple[str, str]:
    """What stands before and after the section."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def placed(text: str, name: str, tables: str) -> str:
    """A page with the tables between their marks.

    :raises ValueError: if the page lacks a mark
    """
    begin, end = marks(name)
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    return f"{before}{begin}\n{tables}\n{end}{after}"


def put(name: str, tables: str, page: Path = JUDGEMENT) -> None:
    """Write the tables into a page."""
    page.write_text(placed(page.read_text(encoding="utf-8"), name, tables), encoding="utf-8")


def options(prog: str, about: str | None, short: str) -> argparse.ArgumentParser:
    """What every part of `make judge` can be asked."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{prog}", description=about)
    parser.add_argument("--short", action="store_true", help=short)
    parser.add_argument("--docs", action="store_true", help="write docs/judgement.md")
    parser.add_argument("--again", action="store_true", help="measure what is kept, too")
    parser.add_argument("--folder", type=Path, default=ROOT / ".airloop" / "judge")
    return parser


def kept(
    asked: argparse.Namespace, name: str, measure: Callable[[], Found], *, wanted: bool = True
) -> Found | None:
    """What is known of a part; measured first where it is wanted and not kept yet. None where it is neither.

    :param asked: by the :func:`options`
    """
    path: Path = asked.folder / f"{'short-' if asked.short else ''}{name}.json"
    if wanted and (asked.again or not path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure(), indent=1), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def command(
    asked: argparse.Namespace,
    name: str,
    measure: Callable[[], Found],
    render: Callable[[Mapping[str, Any]], str],
) -> int:
    """Measure, keep, show, and write the page where it is asked for; returns the exit status."""
    found = kept(asked, name, measure)
    print(json.dumps(found, indent=1), flush=True)
    if asked.docs and found is not None:
        put(name, render(found))
    return 0
