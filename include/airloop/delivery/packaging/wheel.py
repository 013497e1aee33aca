"""A wheel with ``predict(rows)``: for who asks the model from Python, without a service."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from airloop.delivery.packaging.contents import Contents
from airloop.errors import RequestError

_PROJECT: Final = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{number}"
description = "Version {number} of the model {model}, as it was registered"
requires-python = ">=3.11"
dependencies = [{needs}]

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""
_MODULE: Final = '''"""Version {number} of the model {model}: ``predict(rows)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from airloop.serving.packaged import Packaged


@cache
def _opened() -> Packaged:
    return Packaged(Path(__file__).parent / "version")


def predict(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the service would answer about each row: its keys and inputs, missing values None.

    :raises airloop.errors.RequestError: if the rows do not fit, or the model has no answer for them
    """
    return _opened().predict(rows)
'''


def write(of: Contents, target: Path) -> None:
    """Build it by hatchling, from wherever it is installed.

    :raises RequestError: if it is not
    """
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ImportError:
        raise RequestError("a wheel is built by hatchling, which is not installed here", remedy="pip install hatchling") from None  # fmt: skip
    package = f"{of.name}_model"
    needs = ", ".join(f'"{one}"' for one in of.needs())
    told = {"model": of.name, "number": of.number, "package": package, "needs": needs}
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        project = Path(scratch)
        name = package.replace("_", "-")
        (project / "pyproject.toml").write_text(
            _PROJECT.format(name=name, **told), encoding="utf-8"
        )
        shutil.copytree(of.source, project / package / "version")
        (project / package / "__init__.py").write_text(_MODULE.format(**told), encoding="utf-8")
        for _ in WheelBuilder(str(project)).build(directory=str(target)):
            pass
