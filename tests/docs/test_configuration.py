"""docs/configuration.md names every key with its default, and its example is a spec."""

import re

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from airloop.data.sources.specs import FileSpec, PythonSpec, SqlSpec
from airloop.settings import SettingsFields
from airloop.specs import requests
from airloop.specs.catalog import parse
from airloop.specs.dataset import (
    Column,
    DatasetSpec,
    Expectation,
)
from airloop.specs.model import (
    ModelSpec,
    MonitoringSpec,
    RetrainingSpec,
    Target,
    TrainingSpec,
)
from airloop.specs.pools import Pool
from airloop.specs.sections.gating import GatesSpec, Threshold
from airloop.specs.sections.outputs import OutputsSpec, ValueSpec, VectorSpec
from airloop.specs.sections.resources import (
    EnvironmentSpec,
    KubernetesSettings,
    ResourcesSpec,
    Toleration,
)
from airloop.specs.sections.segments import SegmentsSpec
from airloop.specs.sections.servers import ServingSettings, StackSettings
from airloop.specs.sections.serving import ScoringSpec, ServingSpec
from airloop.specs.sections.storage import OPTIONS
from airloop.specs.sections.tuning import AlgorithmSpec, TuningSpec
from airloop.specs.sections.watching import NewDataSpec, PricesSpec
from airloop.specs.yaml.document import read_document
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
HEADER = "| key | default | meaning |\n|---|---|---|\n"
#: The tables of the page, in their order.
TABLES = [
    DatasetSpec,
    FileSpec,
    SqlSpec,
    PythonSpec,
    Column,
    Expectation,
    ModelSpec,
    OutputsSpec,
    ValueSpec,
    VectorSpec,
    Target,
    TrainingSpec,
    TuningSpec,
    AlgorithmSpec,
    SegmentsSpec,
    GatesSpec,
    Threshold,
    ServingSpec,
    MonitoringSpec,
    RetrainingSpec,
    NewDataSpec,
    PricesSpec,
    ScoringSpec,
    ResourcesSpec,
    Toleration,
    EnvironmentSpec,
    SettingsFields,
    ServingSettings,
    KubernetesSettings,
    StackSettings,
    Pool,
]


def test_each_storage_option_is_documented():
    told = {
        name
        for row in re.findall(r"(?m)^\| (`aws_.*?) \|", PAGE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert told == set(OPTIONS)


def tables():
    found = []
    for text in PAGE.split(HEADER)[1:]:
        rows = [row.split("|") for row in re.match(r"(\|.*\|\n)+", text).group().splitlines()]
        found.append({cells[1].strip().strip("`"): cells[2].strip() for cells in rows})
    return found


def test_there_is_one_table_a_model():
    assert len(tables()) == len(TABLES)


@pytest.mark.parametrize("number", range(len(TABLES)), ids=[model.__name__ for model in TABLES])
def test_each_key_is_documented_with_its_default(number):
    model, table = TABLES[number], tables()[number]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert list(table) == list(fields)
    for name, field in fields.items():
        if (default := shown(name, field)) is not None:
            assert table[name] == default, name


def shown(name, field):
    """The default as the page writes it; None where the page says it in words of its own."""
    default = field.default
    if name == "name" or (default is PydanticUndefined and not field.is_required()):
        return None
    if field.is_required():
        return "required"
    if default is None or default == "" or isinstance(default, BaseModel):
        return None
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if default == ():
        return "`[]`"
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    return f"`{getattr(default, 'value', default)}`"


def test_the_example_of_a_dataset_is_right(tmp_path):
    example = re.search(r"```yaml\n(name: flights.*?)```", PAGE, re.DOTALL).group(1)
    path = tmp_path / "flights.yaml"
    path.write_text(example)
    spec, found = parse(read_document(path), DatasetSpec)
    assert found == []
    assert spec.columns["arr_delay"].known == "after"
    assert yaml.safe_load(example)["name"] == spec.name


def test_the_keys_of_each_conf_are_documented():
    for dag, model in {
        "ingest_<dataset>": requests.IngestConf,
        "train_<model>": requests.TrainConf,
        "deploy_<model>": requests.DeployConf,
        "monitor_<model>": requests.MonitorConf,
        "score_<model>": requests.ScoreConf,
    }.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{dag}` |"))
        assert set(re.findall(r"`(\w+)`", row)) == set(model.model_fields)
