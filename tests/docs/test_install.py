"""docs/install.md: its variables are settings, its files exist, its values are YAML, its constraints fit pip."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from airloop import paths
from airloop.devstack.signin import PASSWORDS
from airloop.exchange import seal
from airloop.registry.credentials import LOOP
from airloop.settings import SettingsFields
from tests.docs.test_kubernetes import commands
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
COMMANDS = commands(PAGE)
#: What finds the project and its state; all other variables of ours are settings.
PLACES = {paths.PROJECT, "AIRLOOP_HOME"}


def is_setting(variable: str) -> bool:
    """Whether a variable names a key of the settings."""
    fields = SettingsFields.model_fields
    for part in variable.removeprefix("AIRLOOP__").lower().split("__"):
        if part not in fields:
            return False
        fields = getattr(fields[part].annotation, "model_fields", {})
    return True


def test_every_variable_is_one_that_airloop_reads() -> None:
    """With its control: one that is none is found."""
    named = set(re.findall(r"\bAIRLOOP_\w*[A-Z]\b", PAGE)) - {
        "AIRLOOP_SERVICE_TOKEN",
        PASSWORDS[LOOP],
        seal.VARIABLE,
    }
    assert named >= PLACES | {"AIRLOOP__LEDGER_URL", "AIRLOOP__SERVING__TOKEN"}
    assert [name for name in sorted(named - PLACES) if not is_setting(name)] == []
    assert not is_setting("AIRLOOP__SERVING__PORT")


def test_the_chart_reads_the_projects_own_dags() -> None:
    chart, compose = BLOCKS
    variables = {entry["name"]: entry["value"] for entry in chart["env"]}
    (bundle,) = json.loads(chart["config"]["dag_processor"]["dag_bundle_config_list"])
    assert bundle["classpath"] == "airloop_operators.bundle.ProjectBundle"
    assert bundle["kwargs"] == {}  # the project of AIRLOOP_PROJECT
    assert f"COPY --chown=airflow:root . {variables[paths.PROJECT]}" in PAGE
    mounted = {volume.rsplit(":", 1)[1] for volume in compose["volumes"]}
    assert f"{compose['environment'][paths.PROJECT]}/include" in mounted
    assert compose["environment"]["AIRLOOP_HOME"] in mounted


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_the_wheel_has_the_name_that_is_built(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(re.findall(r"airloop-([\d.]+)-py3-none-any\.whl", text)) == {version("airloop")}


def test_the_extras_and_the_airflow_are_those_of_the_wheel() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert {"airflow", "serving"} <= set(project["optional-dependencies"])
    (airflow,) = [
        found
        for line in project["optional-dependencies"]["airflow"]
        if (found := Requirement(line)).name == "apache-airflow"
    ]
    assert airflow.specifier.contains("3.3.2")
    assert not airflow.specifier.contains("3.4.0")
    # What the managed services offer, by their pages.
    assert not airflow.specifier.contains("3.1.7")
    assert "Airflow 3.3.2 or newer, below 3.4" in PAGE


def test_the_constraints_are_the_locks_versions_without_their_hashes() -> None:
    recipe = re.search(
        r"sed -n '(.+)' (\S+) >dist/constraints.txt", (ROOT / "Makefile").read_text()
    )
    assert recipe is not None
    program, lock = recipe[1].replace("$$", "$"), recipe[2]
    shown = subprocess.run(
        ["sed", "-n", program, lock], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = [Requirement(line) for line in shown.stdout.splitlines()]
    pinned = re.findall(r"(?m)^[a-z0-9][\w.-]*(?:\[[\w,]+\])?==", (ROOT / lock).read_text("utf-8"))
    assert len(found) == len(pinned) > 200
    assert all(len(requirement.specifier) == 1 for requirement in found)


def test_the_commands_start_what_exists() -> None:
    named = {word for line in COMMANDS for word in re.findall(r"airloop\.[\w.]+(?::\w+)?", line)}
    assert named == {
        "airloop.devstack.mlflow", "airloop.serving.service:Predictions", "airloop.serving.log.compactor",
    }  # fmt: skip
    for name in named:
        module, _, attribute = name.partition(":")
        found = find_spec(module)
        assert found is not None
        assert found.origin is not None
        text = Path(found.origin).read_text(encoding="utf-8")
        assert re.search(rf"^class {attribute}\b", text, re.M) or '__name__ == "__main__"' in text
