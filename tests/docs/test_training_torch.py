"""docs/training-torch.md: its table names the trainer's parameters, its example is a spec that passes the check."""

from __future__ import annotations

import re

import yaml

from airloop.check.specs import check
from airloop.specs.catalog import Catalog
from airloop.specs.model import TrainingSpec
from airloop.specs.sections.fitting import FitOptions
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "training-torch.md").read_text(encoding="utf-8")


def test_the_table_names_the_parameters_with_their_defaults():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    told = {}
    for names, defaults in rows:
        values = re.findall(r"`([^`]+)`", defaults) or ["none"]
        told |= dict(zip(re.findall(r"`([a-z_]+)`", names), values, strict=False))
    for name, field in FitOptions.model_fields.items():
        assert told[name] == ("none" if field.default is None else str(field.default)), name


def test_the_training_part_is_a_spec():
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert TrainingSpec.model_validate(yaml.safe_load(text.group(1))["training"]).trainer == "torch"


def test_the_network_stands_beside_the_demos_model_without_a_problem():
    catalog = Catalog(ROOT / "config")
    assert check(catalog) == []
    trees, network = (catalog.model(f"flight_delay{suffix}") for suffix in ("", "_torch"))
    asked = {"dataset", "target", "inputs", "gates", "serving"}
    assert trees.model_dump(include=asked) == network.model_dump(include=asked)
