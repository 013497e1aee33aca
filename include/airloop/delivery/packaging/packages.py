"""One version put into a folder in a form that others use; nothing is there until all of it is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from airloop.contracts import ModelVersion
from airloop.delivery.packaging import bento, container, graph, wheel
from airloop.delivery.packaging.contents import Contents
from airloop.delivery.proof import require_proof
from airloop.errors import ArtifactError, RequestError
from airloop.ledger import Ledger
from airloop.registry import artifacts, loader
from airloop.serving.packaged import ARTIFACT, VERSION
from airloop.settings import Settings
from airloop.vocabulary import PackageForm

#: Each writes into an empty folder.
FORMS: Final[Mapping[str, Callable[[Contents, Path], None]]] = {
    PackageForm.WHEEL: wheel.write,
    PackageForm.BENTO: bento.write,
    PackageForm.CONTAINER: container.write,
    PackageForm.ONNX: graph.write,
}


def package(
    version: ModelVersion, ledger: Ledger, settings: Settings, form: str, folder: Path
) -> Path:
    """Put a version into a new folder.

    :returns: the folder
    :raises GateError: if the ledger does not say that the version's run passed its gates
    :raises RequestError: if the form is not known, the folder is taken, or the version cannot have that form
    :raises ArtifactError: if its bytes are not those that were registered
    :raises UnreachableError: if the artifact store does not answer
    """
    if form not in FORMS:
        raise RequestError("a version is not packaged so", value=form, valid=FORMS)
    if folder.exists():
        raise RequestError("the folder is there already", where=str(folder), remedy="name a new one")  # fmt: skip
    require_proof(version, ledger, settings)
    found = artifacts.fetch(version.artifact, settings)
    model = loader.open_folder(found, version.artifact.digest)
    if model.spec.name != version.model:
        raise ArtifactError("the artifact holds another model", value=model.spec.name, where=version.artifact.uri)  # fmt: skip
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        source, target = Path(scratch, "version"), Path(scratch, "package")
        shutil.copytree(found, source / ARTIFACT)
        (source / VERSION).write_text(version.model_dump_json(indent=1), encoding="utf-8")
        target.mkdir()
        FORMS[form](Contents(version, model, source, settings), target)
        target.rename(folder)
    return folder
