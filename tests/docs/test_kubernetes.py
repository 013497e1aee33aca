"""docs/kubernetes.md: its files exist, its settings and its spec are right."""

import re

import yaml

from include.contracts import Fence
from include.pods.manifest import PodPlan, manifest
from include.settings import ROOT, SettingsFields
from include.specs import load_catalog
from include.specs.model import ModelSpec
from tests.support.gpu_failures import FAILURES, REFUSALS

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


ROWS = {
    what: (re.findall("`(.*?)`", line)[0], again)
    for what, line, again in re.findall(r"(?m)^\| ([^|]+) \| (`[^|]+) \| ([^|]+) \|$", PAGE)
}


def test_every_gpu_failure_stands_there_with_the_line_that_the_tests_read():
    for failure in FAILURES:
        line, again = ROWS[failure.what]
        assert line == failure.line
        assert again.startswith("yes" if failure.tried_again else "no")


def test_every_refusal_of_the_cluster_stands_there_as_it_is_told():
    for refusal in REFUSALS:
        assert ROWS[refusal.what][0] == refusal.said


def test_the_warning_is_the_trainings_own():
    code = (ROOT / "include/training/torch/optimiser.py").read_text(encoding="utf-8")
    assert ROWS["CUDA out of memory"][0] in code


def test_no_other_line_is_promised():
    known = {one.what for one in (*FAILURES, *REFUSALS)} | {"CUDA out of memory"}
    assert ROWS.keys() - known == {"unreachable cluster"}
