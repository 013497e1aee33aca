"""Great Expectations' Data Docs: the page of one validation, kept where the reports are.

GX's own site builder renders every result it ever kept again; a night needs the one page (0.05 s).
"""

from __future__ import annotations

from typing import Any

import fsspec
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from include.data.delta import storage_errors
from include.settings import Settings


def write_page(settings: Settings, dataset: str, partition: str, attempt: int, result: Any) -> str:
    """Render a validation result and keep it; each attempt has its own page.

    :returns: a link a browser can open: ``file://`` or the store's URL
    :raises UnreachableError: if the reports cannot be written
    :raises StorageFullError: if there is no space left
    """
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    root = settings.reports_uri.rstrip("/")
    url = f"{root}/data_docs/{dataset}/{partition}/attempt-{attempt}.html"
    with storage_errors(url):
        local = "://" not in url
        options = {} if local else settings.storage_options
        with (
            fsspec.open(url, "wb", auto_mkdir=True, **options)
            if local
            else fsspec.open(url, "wb", **options) as file
        ):
            file.write(page.encode())
    return f"file://{url}" if local else url
