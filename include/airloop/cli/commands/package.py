"""`airloop package`: a registered version for use elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airloop.console import out
from airloop.settings import load_settings
from airloop.vocabulary import PackageForm


def package_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of config/models.")],
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The registered version.")],
    form: Annotated[PackageForm, typer.Option("--as", help="In which form.")] = PackageForm.WHEEL,
    folder: Annotated[
        Path | None, typer.Option("--to", help="A new folder; default: MODEL-N-FORM here.")
    ] = None,
) -> None:
    """Package a version that passed its gates: a wheel with predict(rows), a Bento, a container's context, an ONNX file."""
    from airloop.delivery.packaging.packages import package
    from airloop.ledger import open_ledger
    from airloop.registry import models
    from airloop.specs.catalog import load_catalog

    settings = load_settings()
    load_catalog().model(model)
    version = models.version(model, number, settings=settings)
    target = folder or Path(f"{model}-{number}-{form}")
    made = package(version, open_ledger(settings), settings, form, target)
    for path in sorted(made.iterdir()):
        out.print(str(path), soft_wrap=True)
