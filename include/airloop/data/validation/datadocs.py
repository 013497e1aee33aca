"""Great Expectations' Data Docs: the page of one validation, kept where the reports are.

GX's own site builder renders every result it ever kept again; a night needs the one page (0.05 s).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from html import escape
from typing import Any

from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from airloop.contracts import Check, Outcome
from airloop.data.validation.suite import Evaluated
from airloop.settings import Settings
from airloop.specs.sections.expectations import COLUMN_ARGUMENTS, COLUMN_LIST_ARGUMENTS
from airloop.storage.files import Files

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark }}
td, th {{ padding: .3rem 1rem .3rem 0; text-align: left; vertical-align: top }}</style></head>
<body><h1>{title}</h1><p>The partition has not the shape that its spec names, so no expectation was asked.</p>
<table><thead><tr><th>check</th><th>outcome</th><th>reason</th></tr></thead><tbody>{rows}</tbody></table></body></html>
"""
#: What GX's page loads from seven hosts of others: a page of data tells nobody that it was opened.
_ELSEWHERE = re.compile(
    r"<script[^>]*\bsrc=[^>]*>\s*</script>|<link\b[^>]*>|<img\b[^>]*>|<footer\b.*?</footer>"
    r"|url\('https?:[^)]*\)",
    re.DOTALL,
)
#: What of their style the page's own words need: the marks of an expectation that held, did not, or raised.
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark }
td, th { padding: .3rem 1rem .3rem 0; text-align: left; vertical-align: top }
body > .navbar, .card:has(.btn-group) { display: none }
.fa-check-circle::before { content: "\\2714"; color: green }
.fa-times::before { content: "\\2718"; color: crimson }
.fa-exclamation-triangle::before { content: "\\26a0"; color: darkorange }
</style></head>"""


def write_page(
    settings: Settings,
    dataset: str,
    partition: str,
    attempt: int,
    evaluated: Sequence[Evaluated],
    checks: Sequence[Check] = (),
) -> str:
    """Render what the expectations said and keep it; each attempt has its own page.

    :param checks: shown where no expectation was asked: the partition has not the shape that they ask for

    :returns: a link a browser can open: ``file://`` or the store's URL
    :raises UnreachableError: if the reports cannot be written
    :raises SpecError: if the store refuses
    :raises StorageFullError: if there is no space left
    """
    if evaluated:
        result = _as_one(f"{dataset} {partition}", list(evaluated))
        page = _alone(_view().render(ValidationResultsPageRenderer().render(result)))
    else:
        page = _of_checks(f"{dataset} {partition}", checks)
    reports = Files(settings.reports_uri, settings.storage_options, "the folder of reports")
    name = f"data_docs/{dataset}/{partition}/attempt-{attempt}.html"
    reports.write(name, page.encode())
    url = reports.place(name)
    return url if "://" in url else f"file://{url}"


@cache
def _view() -> DefaultJinjaPageView:
    """GX's view: each one compiles its templates anew."""
    return DefaultJinjaPageView()


def _alone(page: str) -> str:
    """The page without anything that a browser would fetch from elsewhere."""
    return _ELSEWHERE.sub("", page).replace("</head>", _STYLE, 1)


def _of_checks(title: str, checks: Sequence[Check]) -> str:
    """A page of its own: a name comes from the data, so it is escaped."""
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{escape(one.outcome)}</td><td>{escape(one.reason)}</td></tr>"
        for one in checks
    )
    return _PAGE.format(title=escape(title), rows=rows)


def _escaped(value: Any) -> Any:
    """A value with its texts escaped: GX's templates put names and values into the page as they are."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_escaped, value))
    return value


def _shown(result: Any) -> Any:
    """An expectation's result as the page may show it: its columns' names and the values that it quotes are data."""
    shown = deepcopy(result)
    kwargs = shown.expectation_config.kwargs
    for key in (*COLUMN_ARGUMENTS, *COLUMN_LIST_ARGUMENTS, "column_set"):
        if key in kwargs:
            kwargs[key] = _escaped(kwargs[key])
    shown.result = _escaped(shown.result)
    return shown


def _as_one(name: str, evaluated: list[Evaluated]) -> ExpectationSuiteValidationResult:
    """The single results as the result of a suite, wherever each was computed."""
    good = sum(one.outcome is Outcome.OK for one in evaluated)
    return ExpectationSuiteValidationResult(
        success=good == len(evaluated),
        results=[_shown(one.gx) for one in evaluated if one.gx is not None],
        suite_name=name,
        statistics={
            "evaluated_expectations": len(evaluated),
            "successful_expectations": good,
            "unsuccessful_expectations": len(evaluated) - good,
            "success_percent": 100 * good / len(evaluated) if evaluated else None,
        },
    )
