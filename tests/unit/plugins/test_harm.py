"""Whom a plug-in harms that cannot be imported, or that two distributions bring: who names it, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check.specs import check
from airloop.cli import main
from airloop.plugins.registry import SEAMS, Seam
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog, load_catalog
from airloop.testing.specs import toy_dataset, toy_model
from tests.support.plugins import install, on_path

#: By the seam's noun: the keys of a model, of its dataset or of the settings that name the plug-in, and the file and the
#: key that are told.
NAMING: dict[str, tuple[dict[str, Any], str, str]] = {
    "source": ({"source": {"kind": "tide"}}, "datasets/other.yaml", "source.kind"),
    "gate": ({"gates": {"own": [{"kind": "tide"}]}}, "models/other.yaml", "gates.own[0].kind"),
    "metric": ({"gates": {"primary": "tide"}}, "models/other.yaml", "gates.primary"),
    "trainer": ({"training": {"trainer": "tide"}}, "models/other.yaml", "training.trainer"),
    "executor": ({"compute": {"kind": "tide"}}, "models/other.yaml", "compute.kind"),
    "delivery strategy": (
        {"serving": {"rollout": {"kind": "tide"}}},
        "models/other.yaml",
        "serving.rollout.kind",
    ),
    "alert route": ({"alerts": [{"kind": "tide"}]}, "airloop.yaml", "alerts[0].kind"),
}
BROKEN = "the {} tide of airloop-tide 2.3 cannot be loaded: RuntimeError: the tide is out"
DOUBLE = (
    "two distributions bring a {} of this name: airloop-other 1.0 (elsewhere:Tide) and "
    "airloop-tide 2.3 (airloop_tide:Tide)"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two models on datasets of their own, beside a distribution that brings a broken one of each seam."""
    entries = {seam.group: {"tide": "airloop_tide:Tide"} for seam in SEAMS}
    text = {"airloop_tide": "raise RuntimeError('the tide is out')"}
    install(tmp_path / "site", "airloop-tide", entries, text, version="2.3")
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    with on_path(tmp_path / "site"):
        yield tmp_path
    for cached in (load_settings, load_catalog):
        cached.cache_clear()


def told(project: Path, keys: dict[str, Any], file: str) -> list[tuple[str, str, str]]:
    """What `airloop check` says where one file has these keys: file, key, error."""
    config = project / "config"
    for name in ("toy", "other"):
        for kind, spec, own in (
            ("datasets", toy_dataset(), {"name": name}),
            ("models", toy_model(), {"name": name, "dataset": name}),
        ):
            data = json.loads(spec.model_dump_json(by_alias=True, exclude_defaults=True)) | own
            path = config / kind / f"{name}.yaml"
            if str(path.relative_to(config)) == file:
                for key, value in keys.items():
                    there = data.get(key)
                    data[key] = (
                        there | value if isinstance(there, dict) and key != "source" else value
                    )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(data))
    (config / "airloop.yaml").write_text(yaml.safe_dump(keys if file == "airloop.yaml" else {}))
    return [
        (str(Path(one.file).relative_to(config)), one.key, one.what)
        for one in check(Catalog(config))
        if "airloop-tide" in one.what
    ]


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.noun)
def test_one_that_cannot_be_imported_is_told_where_it_is_named_and_nowhere_else(
    project: Path, seam: Seam
) -> None:
    keys, file, key = NAMING[seam.noun]
    assert told(project, {}, file) == []
    assert told(project, keys, file) == [(file, key, BROKEN.format(seam.noun))]
    models = {entry.name: entry.error is None for entry in Catalog(project / "config").models()}
    assert models == {"toy": True, "other": file == "airloop.yaml"}


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.noun)
def test_a_name_that_two_bring_is_refused_where_it_is_named_with_both(
    project: Path, seam: Seam
) -> None:
    keys, file, key = NAMING[seam.noun]
    install(project / "other", "airloop-other", {seam.group: {"tide": "elsewhere:Tide"}}, {})
    with on_path(project / "other"):
        assert told(project, {}, file) == []
        assert told(project, keys, file) == [(file, key, DOUBLE.format(seam.noun))]


def test_the_list_names_each_that_could_not_be_loaded_with_its_distribution(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["plugins", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    failed = [row for row in rows if row["error"]]
    assert [(row["kind"], row["distribution"], row["version"]) for row in failed] == [
        (seam.noun, "airloop-tide", "2.3") for seam in SEAMS
    ]
    assert {row["kind"]: row["error"] for row in rows if row["error"]}["source"].startswith(
        BROKEN.format("source")
    )
    assert {row["distribution"] for row in rows if not row["error"]} == {"airloop"}
    assert main.run(["plugins"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert f"gate tide: {BROKEN.format('gate')}" in shown


def test_the_list_of_an_environment_without_fault_is_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["plugins"]) == 0
    assert "kubernetes" in capsys.readouterr().out
