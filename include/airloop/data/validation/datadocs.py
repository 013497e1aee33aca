"""Great Expectations' Data Docs: the page of one validation, kept where the reports are.

GX's own site builder renders every result it ever kept again; a night needs the one page (0.05 s).
"""

from __future__ import annotations

from collections.abc import Iterable

from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from airloop.contracts import Outcome
from airloop.data.validation.suite import Evaluated
from airloop.settings import Settings
from airloop.storage.files import Files


def write_page(
    settings: Settings, dataset: str, partition: str, attempt: int, evaluated: Iterable[Evaluated]
) -> str:
    """Render what the expectations said and keep it; each attempt has its own page.

    :returns: a link a browser can open: ``file://`` or the store's URL
    :raises UnreachableError: if the reports cannot be written
    :raises SpecError: if the store refuses
    :raises StorageFullError: if there is no space left
    """
    result = _as_one(f"{dataset} {partition}", list(evaluated))
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    reports = Files(settings.reports_uri, settings.storage_options, "the folder of reports")
    name = f"data_docs/{dataset}/{partition}/attempt-{attempt}.html"
    reports.write(name, page.encode())
    url = reports.place(name)
    return url if "://" in url else f"file://{url}"


def _as_one(name: str, evaluated: list[Evaluated]) -> ExpectationSuiteValidationResult:
    """The single results as the result of a suite, wherever each was computed."""
    good = sum(one.outcome is Outcome.OK for one in evaluated)
    return ExpectationSuiteValidationResult(
        success=good == len(evaluated),
        results=[one.gx for one in evaluated if one.gx is not None],
        suite_name=name,
        statistics={
            "evaluated_expectations": len(evaluated),
            "successful_expectations": good,
            "unsuccessful_expectations": len(evaluated) - good,
            "success_percent": 100 * good / len(evaluated) if evaluated else None,
        },
    )
