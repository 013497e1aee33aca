"""Databases and buckets that the stack needs and does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.devstack import external, mlflow
from airloop.devstack.addresses import Addresses
from airloop.devstack.airflow_config import database_url
from airloop.devstack.components import _mlflow_environment, components
from airloop.devstack.layout import Layout
from airloop.errors import SpecError, UnreachableError
from airloop.settings import Settings, load_settings
from airloop.specs.sections.servers import StackSettings
from airloop.storage.files import Files
from airloop.storage.folder import Folder

URL = "postgresql://me:a-canary@127.0.0.1:1/airflow"
ADDRESSES = Addresses(airflow=8181, execution=8282, mlflow=5001, serving=3001)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_without_settings_all_of_it_lies_at_home(layout: Layout) -> None:
    settings = Settings()
    assert database_url(layout, settings).startswith(f"sqlite:///{layout.home}")
    assert _mlflow_environment(layout, settings)["MLFLOW_BACKEND_STORE_URI"].startswith(
        f"sqlite:///{layout.home}"
    )
    told = _mlflow_environment(layout, settings)
    assert told[mlflow.ARTIFACTS_DESTINATION] == str(layout.mlflow / "artifacts")
    external.check_external(settings)


def test_the_settings_databases_are_taken_and_no_command_line_shows_them(layout: Layout) -> None:
    stack = StackSettings(
        airflow_database_url=URL, mlflow_database_url=URL, mlflow_artifacts_uri="s3://bucket/mlflow"
    )
    settings = Settings.model_construct(stack=stack)
    assert database_url(layout, settings) == URL.replace("://", "+psycopg2://")
    assert _mlflow_environment(layout, settings)["MLFLOW_BACKEND_STORE_URI"] == URL.replace(
        "://", "+psycopg2://"
    )
    told = _mlflow_environment(layout, settings)
    assert told[mlflow.BACKEND_STORE_URI] == URL.replace("://", "+psycopg2://")
    assert told[mlflow.ARTIFACTS_DESTINATION] == "s3://bucket/mlflow"
    (command,) = [
        one.command
        for one in components(layout, ADDRESSES, load_settings())
        if one.name == "mlflow"
    ]
    assert not [word for word in command if "canary" in word]


def test_airflows_processes_have_no_keys_besides_the_connections(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP__STORAGE_CONNECTION", "airloop_s3")
    load_settings.cache_clear()
    without = {part.name: part.without for part in components(layout, ADDRESSES, load_settings())}
    load_settings.cache_clear()
    hidden = {name for name, left_out in without.items() if "AWS_SECRET_ACCESS_KEY" in left_out}
    assert hidden == {name for name in without if name.startswith("airflow-")}


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    settings = Settings.model_construct(stack=StackSettings(airflow_database_url=URL))
    with pytest.raises(UnreachableError, match="the database does not answer") as caught:
        external.check_external(settings)
    assert "in stack.airflow_database_url" in str(caught.value)
    assert "a-canary" not in str(caught.value)


def test_a_store_that_lets_a_second_writer_overwrite_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overwrite(folder: Folder, path: str, content: bytes) -> bool:
        folder.write(path, content)
        return True

    external._probe("lake_uri", Files(str(tmp_path)))
    monkeypatch.setattr(Folder, "create", overwrite)
    with pytest.raises(SpecError, match="does not honour conditional puts"):
        external._probe("lake_uri", Files(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
