"""What every plug-in keeps, of whatever seam."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from airloop.plugins.registry import Seam, members_of

#: What takes long to import, or is not there wherever specs are read.
HEAVY = (
    *("airflow", "deltalake", "great_expectations", "httpx", "kubernetes", "mlflow", "numpy"),
    *("pandas", "pyarrow", "scipy", "sklearn", "sqlalchemy", "torch"),
)


class PluginContract:
    """The part of a contract that all seams share."""

    seam: ClassVar[Seam]

    @pytest.fixture
    def plugin(self) -> Any:
        """The plug-in: an object of the class that the entry point names."""
        raise NotImplementedError("override the fixture `plugin`")

    def test_it_has_all_that_its_seam_asks_for(self, plugin: Any) -> None:
        """Every member of the Protocol."""
        assert sorted(members_of(self.seam) - set(dir(plugin))) == []

    def test_its_module_imports_no_heavy_library(self, plugin: Any) -> None:
        """Specs are read wherever a DAG file is parsed: a library is imported in the method that needs it."""
        module = type(plugin).__module__
        code = (
            f"import sys, importlib; import airloop.plugins; before = set(sys.modules)\n"
            f"sys.path[:0] = {sys.path!r}\n"
            f"importlib.import_module({module!r})\n"
            f"print(*sorted(set({HEAVY!r}) & (set(sys.modules) - before)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == []


class SpecContract(PluginContract):
    """The part of those whose YAML has keys of their own."""

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        """The YAML of one that is right, ``kind`` included."""
        raise NotImplementedError("override the fixture `data`")

    @pytest.fixture
    def spec(self, plugin: Any, data: dict[str, Any]) -> Any:
        """The same, as the plug-in gets it."""
        return plugin.spec.model_validate(data)

    def test_its_spec_refuses_a_key_that_nobody_knows(
        self, plugin: Any, data: dict[str, Any]
    ) -> None:
        """A slip of the pen is told, not passed over."""
        with pytest.raises(ValidationError):
            plugin.spec.model_validate({**data, "no_such_key": 1})

    def test_its_spec_comes_back_from_an_artifact(self, plugin: Any, spec: Any) -> None:
        """It is frozen into every version as JSON."""
        text = spec.model_dump_json(by_alias=True)
        assert plugin.spec.model_validate_json(text).model_dump_json(by_alias=True) == text

    def test_its_spec_cannot_be_changed(self, spec: Any) -> None:
        """Who reads it twice reads the same."""
        with pytest.raises(ValidationError):
            spec.kind = "other"
