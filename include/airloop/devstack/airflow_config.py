"""Airflow's settings in the embedded stack: one airflow.cfg, written at each `airloop up`.

It is complete: variables such as ``AIRFLOW__CORE__EXECUTOR`` in the caller's environment, which would otherwise
win, belong to another installation and are not handed on.
"""

from __future__ import annotations

import configparser
import io
import json

from airloop.devstack import private
from airloop.devstack.addresses import Addresses
from airloop.devstack.layout import Layout
from airloop.devstack.secrets import AIRFLOW_USER, Secrets
from airloop.paths import config_folder, dags_folder
from airloop.projects.stubs import Plan, parse_interval
from airloop.settings import Settings
from airloop.specs.sections.addresses import with_driver

#: A stub a spec, and the project's own DAG files.
BUNDLE = {
    "name": "airloop",
    "classpath": "airloop_operators.bundle.ProjectBundle",
    "kwargs": {},
}
#: Of the DAG processor alone. A DAG that changed twice within Airflow's 30 s would else stay the first of the two until
#: its file is parsed again, which may be an hour.
OF_THE_PROCESSOR = {"AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0"}
#: section → key → value. What depends on the place or is secret is added by :func:`options`.
FIXED: dict[str, dict[str, str]] = {
    "core": {
        "executor": "LocalExecutor",
        "parallelism": "4",
        "load_examples": "False",
        "dags_are_paused_at_creation": "True",
        "simple_auth_manager_users": f"{AIRFLOW_USER}:admin",
        # The plugin and its page are there from the first request on.
        "lazy_load_plugins": "False",
    },
    "api": {"host": "127.0.0.1", "workers": "1", "expose_config": "False"},
    # SQLite is one writer: a request may wait for another's commit.
    "workers": {"execution_api_timeout": "30.0"},
    "scheduler": {"scheduler_idle_sleep_time": "1.0", "enable_health_check": "False"},
    "dag_processor": {
        # Changes are seen within seconds: a changed spec has a newer stub.
        "refresh_interval": "10",
        "parsing_processes": "1",
        "dag_version_inflation_check_level": "error",
    },
    "logging": {"logging_level": "INFO"},
}


def database_url(layout: Layout, settings: Settings) -> str:
    """Airflow's own database: that of the settings, else a file of this home."""
    url = settings.stack.airflow_database_url
    return with_driver(url) if url else f"sqlite:///{layout.airflow / 'airflow.db'}?timeout=30"


def options(
    layout: Layout, secrets: Secrets, addresses: Addresses, database: str
) -> dict[str, dict[str, str]]:
    """All settings of this stack: the fixed ones, the places, the secrets."""
    url = addresses.url("airflow")
    placed = {
        "core": {
            "dags_folder": str(dags_folder()),
            "plugins_folder": str(layout.airflow / "plugins"),
            "fernet_key": secrets["fernet_key"],
            "simple_auth_manager_passwords_file": str(secrets.passwords_file),
            "execution_api_server_url": f"{addresses.url('execution')}/execution/",
        },
        "database": {"sql_alchemy_conn": database},
        "api": {
            "port": str(addresses.airflow),
            "base_url": url,
            "secret_key": secrets["api_secret_key"],
        },
        "api_auth": {"jwt_secret": secrets["jwt_secret"]},
        "logging": {"base_log_folder": str(layout.airflow / "logs")},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps([BUNDLE]),
            "dag_bundle_storage_path": str(layout.airflow / "bundles"),
            "min_file_process_interval": str(_parse_interval()),
        },
    }
    return {
        section: {**FIXED.get(section, {}), **placed.get(section, {})}
        for section in (*FIXED, *(set(placed) - set(FIXED)))
    }


def write(layout: Layout, settings: dict[str, dict[str, str]]) -> None:
    """Write airflow.cfg with mode 600: it holds secrets."""
    parser = configparser.RawConfigParser()
    for section, values in settings.items():
        # Airflow interpolates, so a percent sign is doubled.
        parser[section] = {key: value.replace("%", "%%") for key, value in values.items()}
    text = io.StringIO()
    parser.write(text)
    private.write(layout.airflow / "airflow.cfg", text.getvalue())


def _parse_interval() -> int:
    """What does not change is parsed again, but not so often that it keeps a core busy."""
    return parse_interval(len(Plan(config_folder(), dags_folder()).names()))
