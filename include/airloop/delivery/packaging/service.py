"""The service that a Bento and an image start: one version, as BentoML's own documentation has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from airloop.delivery.packaging.contents import Contents

#: What BentoML is told to serve.
NAMED: Final = "service:Predictions"
_MODULE: Final = '''"""Version {number} of the model {model}, served by BentoML alone: no token, no log, no roll-out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from airloop.errors import RequestError
from airloop.serving.packaged import Packaged


@bentoml.service(name="{model}")
class Predictions:
    def __init__(self) -> None:
        self._version = Packaged(Path(__file__).parent / "version")

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        """What the version answers about each row: its keys and inputs."""
        try:
            return self._version.predict(rows)
        except RequestError as error:
            raise bentoml.exceptions.InvalidArgument(str(error)) from None
'''


def put(of: Contents, folder: Path) -> None:
    """Its module, and the version beside it."""
    (folder / "service.py").write_text(
        _MODULE.format(model=of.name, number=of.number), encoding="utf-8"
    )
    shutil.copytree(of.source, folder / "version")
