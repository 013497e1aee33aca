"""docs/kubernetes.md: its files exist, its settings and its spec are right."""

import re

import yaml

from include.contracts import Fence
from include.pods.manifest import PodPlan, manifest
from include.settings import ROOT, SettingsFields
from include.specs import load_catalog
from include.specs.model import ModelSpec

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_environments_settings_and_the_models_resources_make_a_gpu_pod():
    environment, resources = (yaml.safe_load(block) for block in BLOCKS)
    settings = SettingsFields.model_validate(environment)
    spec = load_catalog().model("flight_delay").model_dump(mode="json") | resources
    plan = PodPlan(
        "train", ModelSpec.model_validate(spec), settings.kubernetes, ROOT / "config", ("x",)
    )
    pod = manifest(plan, Fence(key="k", token=1), "", [])
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["spec"]["activeDeadlineSeconds"] == 3600


def test_every_file_that_is_applied_exists():
    files = re.findall(r"(?:apply -f|-f) (config/\S+)", PAGE)
    assert len(files) == 4
    assert all((ROOT / file).is_file() for file in files)


def test_every_failure_in_the_table_is_one_that_the_code_tells():
    code = "".join(
        (ROOT / file).read_text(encoding="utf-8")
        for file in ("include/pods/failures.py", "operators/cluster.py")
    )
    begins = re.findall(r"(?m)^\| `(.*?)` \|", PAGE)
    assert len(begins) == 9
    assert [begin for begin in begins if begin.split(" …")[0] not in code] == []
