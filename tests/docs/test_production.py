"""docs/production.md shows the environment that config holds, and its variables are settings."""

from __future__ import annotations

import os
import re

import pytest
import yaml

from airloop.settings import load_settings, read_settings
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
EXPORTS = dict(re.findall(r"export (\w+)='?([^'\n]*)'?", PAGE))


def test_the_page_shows_the_file() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    kept = (ROOT / "config" / "environments" / "production.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(shown) == yaml.safe_load(kept)


def test_its_variables_are_settings_and_together_they_are_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AIRLOOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIRLOOP_PROJECT", str(ROOT))
    for name, value in EXPORTS.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    settings, errors = read_settings()
    assert errors == []
    assert settings is not None
    assert settings.stack.mlflow_artifacts_uri == "s3://airloop/mlflow"
    assert settings.ledger_url.startswith("postgresql://")


def test_no_secret_stands_in_the_file(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its control: one that does is refused, by name and without its value."""
    from airloop.check.project import settings_problems

    assert not [p for p in settings_problems(ROOT / "config") if "secret" in p.sentence]
    (tmp_path / "airloop.yaml").write_text(
        "storage_options: {aws_secret_access_key: a-canary}\n", encoding="utf-8"
    )
    [problem] = settings_problems(tmp_path)
    assert "a secret does not belong into a file" in problem.sentence
    assert "AWS_SECRET_ACCESS_KEY" in problem.sentence
    assert "a-canary" not in problem.sentence
