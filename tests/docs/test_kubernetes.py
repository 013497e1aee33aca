"""docs/kubernetes.md: what can be checked of its commands without a cluster, its settings and its spec.

tests/integration/stack/test_kubernetes_page.py runs them.
"""

import json
import re
import shlex
from pathlib import Path

import yaml

import airloop
from airloop.contracts import Fence
from airloop.devstack.signin import PASSWORDS, SECRET_KEY
from airloop.exchange import seal
from airloop.execution.pods.manifest import PodPlan, manifest
from airloop.registry.credentials import PASSWORD, USERNAME
from airloop.settings import SettingsFields
from airloop.specs.model import ModelSpec
from tests.support.checkout import ROOT
from tests.support.gpu_failures import FAILURES, JOB_FORBIDDEN, REFUSALS, UNREACHABLE
from tests.support.kubernetes_page import BLOCKS, COMMANDS, PAGE, commands

CLUSTER = ROOT / "config" / "kubernetes"
SPECS = [*(ROOT / "config").glob("*/flight_delay_torch.yaml")]


def created_secrets() -> dict[tuple[str, str], set[str]]:
    """Namespace and name of each Secret that the page makes, with its keys."""
    found = {}
    for command in COMMANDS:
        made = re.match(r"kubectl --namespace (\S+) create secret generic (\S+)", command)
        if made:
            found[made[1], made[2]] = set(re.findall(r"--from-literal=(\w[\w-]*)=", command))
    return found


def test_the_environments_settings_and_the_models_resources_make_a_gpu_pod():
    environment, resources = (yaml.safe_load(block) for block in BLOCKS)
    settings = SettingsFields.model_validate(environment)
    (path,) = SPECS
    spec = yaml.safe_load(path.read_text(encoding="utf-8")) | resources
    plan = PodPlan(
        "train", ModelSpec.model_validate(spec), settings.kubernetes, ROOT / "config", ("x",)
    )
    pod = manifest(plan, Fence(key="k", token=1), "", [])
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["spec"]["activeDeadlineSeconds"] == 3600


def test_the_gpu_run_is_a_networks():
    (path,) = SPECS
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["training"]["trainer"] == "torch"
    assert any("train_flight_delay_torch" in command for command in COMMANDS)


def test_every_command_can_be_read_by_a_shell():
    assert len(COMMANDS) > 40
    assert all(shlex.split(command) for command in COMMANDS)


def test_every_file_and_folder_that_a_command_names_exists():
    named = {
        word.split("=")[-1]
        for command in COMMANDS
        for word in shlex.split(command)
        if re.match(r"(\S+=)?(config|docker|dags|scripts)/", word)
    }
    assert {"config/kubernetes", "config/kubernetes/helm-values.yaml"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_command_of_airloop_and_its_arguments_exist():
    from airloop.cli.main import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    used = {command.split()[1] for command in COMMANDS if command.startswith("airloop ")}
    assert used
    assert used <= known


def test_every_command_of_airflow_is_one_that_airflow_reads():
    from airflow.cli.cli_parser import get_parser

    ours = [command.split("-- airflow ", 1)[1] for command in COMMANDS if "-- airflow " in command]
    assert len(ours) >= 5
    for command in ours:
        # `users` is FAB's, which only the image has; docker/airflow/prepare says it the same way.
        if command.startswith("users create"):
            prepare = (ROOT / "docker" / "airflow" / "prepare").read_text(encoding="utf-8")
            flags = set(re.findall(r"--[a-z]+", command))
            assert flags == set(
                re.findall(r"--[a-z]+", prepare.split("airflow users create")[1].split("python")[0])
            )
            continue
        get_parser().parse_args(shlex.split(command))


def test_every_dag_that_is_started_comes_from_a_spec():
    started = re.findall(r"(?:trigger |--dag-id )(\w+)", " ".join(COMMANDS))
    assert started == ["ingest_flights", "train_flight_delay_torch"]
    assert (ROOT / "config" / "datasets" / "flights.yaml").is_file()


def test_every_namespace_is_one_that_is_made():
    made = {
        document["metadata"]["name"]
        for path in CLUSTER.glob("*.yaml")
        if path.name not in {"helm-values.yaml", "kustomization.yaml"}
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document and document["kind"] == "Namespace"
    }
    used = set(re.findall(r"--namespace (\S+)", " ".join(COMMANDS)))
    assert used - made == {"gpu-operator"}
    assert made <= used


def referenced_secrets(namespace: str, *files: str) -> set[tuple[str, str]]:
    """The Secrets that manifests take their environment from."""
    text = "".join((CLUSTER / name).read_text(encoding="utf-8") for name in files)
    return {(namespace, name) for name in re.findall(r"secretRef:\s*\{?\s*name: ([\w-]+)", text)}


def test_the_secrets_that_are_made_are_the_ones_that_are_asked_for():
    helm = yaml.safe_load((CLUSTER / "helm-values.yaml").read_text(encoding="utf-8"))
    keys = {
        helm["data"]["metadataSecretName"]: {"connection"},
        helm["fernetKeySecretName"]: {"fernet-key"},
        helm["apiSecretKeySecretName"]: {"api-secret-key"},
        helm["jwtSecretName"]: {"jwt-secret"},
    }
    made = created_secrets()
    assert {name: made["airflow", name] for name in keys} == keys
    step = ("airloop", SettingsFields().kubernetes.secret)
    referenced = (
        referenced_secrets("airflow", "helm-values.yaml")
        | referenced_secrets("airloop-services", "serving.yaml", "mlflow.yaml")
        | {("airflow", name) for name in keys}
        | {step}
    )
    assert made.keys() == referenced
    assert not [key for key in made[step] if key.startswith("AIRFLOW")]
    assert {who for who in made if seal.VARIABLE in made[who]} == {
        step,
        ("airflow", "airloop-airflow"),
    }
    signs_in = (step, ("airflow", "airloop-airflow"), ("airloop-services", "airloop-serving"))
    assert [who for who in signs_in if not {USERNAME, PASSWORD} <= made[who]] == []
    server = made["airloop-services", "airloop-mlflow"]
    assert {SECRET_KEY, *PASSWORDS.values()} <= server


def test_airflows_connections_are_json_and_the_ones_that_are_named():
    helm = (CLUSTER / "helm-values.yaml").read_text(encoding="utf-8")
    (command,) = [one for one in COMMANDS if "generic airloop-airflow" in one]
    literals = dict(
        word.removeprefix("--from-literal=").split("=", 1)
        for word in shlex.split(command)
        if word.startswith("--from-literal=AIRFLOW_CONN_")
    )
    types = {name: json.loads(text)["conn_type"] for name, text in literals.items()}
    assert types == {
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": "kubernetes",
        "AIRFLOW_CONN_AIRLOOP_S3": "aws",
        "AIRFLOW_CONN_AIRLOOP_GIT": "git",
    }
    for name in ("airloop_s3", "airloop_git"):
        assert name in helm


def test_the_ports_that_are_asked_are_the_services():
    services = {
        (document["metadata"]["namespace"], document["metadata"]["name"]): {
            str(port["port"]) for port in document["spec"]["ports"]
        }
        for name in ("serving.yaml", "mlflow.yaml")
        for document in yaml.safe_load_all((CLUSTER / name).read_text(encoding="utf-8"))
        if document["kind"] == "Service"
    }
    asked = re.findall(r"--namespace (\S+) port-forward service/(\S+) (\d+)", "\n".join(COMMANDS))
    ours = [(space, name, port) for space, name, port in asked if space != "airflow"]
    assert len(ours) == 2
    for space, name, port in ours:
        assert port in services[space, name]
    for host, port in re.findall(r"http://([a-z-]+)\.airloop-services:(\d+)", PAGE):
        assert host == "s3" or port in services["airloop-services", host]


def test_the_images_that_are_built_are_the_ones_that_are_used():
    built = re.findall(
        r"docker build -f (\S+)(?: --target (\w+))?.* -t \S+/(\S+) ", "\n".join(COMMANDS)
    )
    assert len(built) == 4
    for file, target, _ in built:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not target or f"AS {target}\n" in text
    names = {tag.partition(":")[0] for _, _, tag in built}
    assert names == {"airloop-airflow", "airloop-serving", "airloop-step"}
    kustomization = yaml.safe_load((CLUSTER / "kustomization.yaml").read_text(encoding="utf-8"))
    assert {image["name"] for image in kustomization["images"]} <= names
    environment = yaml.safe_load(BLOCKS[0])
    assert environment["kubernetes"]["image"].endswith(f"/airloop-step:{airloop.__version__}-gpu")


def test_control_a_command_that_names_no_file_is_found():
    page = "```console\n$ kubectl apply -f config/kubernetes/gone.yaml\n```\n"
    (command,) = commands(page)
    assert not Path(ROOT / command.split()[-1]).exists()


DOCKER_PAGE = (ROOT / "docker" / "README.md").read_text(encoding="utf-8")


def test_the_commands_of_the_images_page_name_what_is_there():
    found = commands(DOCKER_PAGE)
    assert len(found) >= 9
    files = [*re.findall(r"-f (docker/\S+)", "\n".join(found)), "docker/secrets"]
    assert all((ROOT / file).is_file() for file in files)
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))[
        "services"
    ]
    assert set(re.findall(r"exec (\S+)", "\n".join(found))) <= services.keys()
    compose = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    for variable in re.findall(r"`(AIRLOOP_[A-Z_]+)`", DOCKER_PAGE):
        known = compose + (ROOT / "docker" / "step.Dockerfile").read_text(encoding="utf-8")
        assert variable in known


ROWS = {
    what: (re.findall("`(.*?)`", line)[0], again)
    for what, line, again in re.findall(r"(?m)^\| ([^|]+) \| (`[^|]+) \| ([^|]+) \|$", PAGE)
}


def test_every_gpu_failure_stands_there_with_the_line_that_the_tests_read():
    for failure in (*FAILURES, JOB_FORBIDDEN):
        line, again = ROWS[failure.what]
        assert line == failure.line
        assert again.startswith("yes" if failure.tried_again else "no")


def test_every_refusal_of_the_cluster_stands_there_as_it_is_told():
    for refusal in REFUSALS:
        line, again = ROWS[refusal.what]
        assert line == refusal.said
        assert again.startswith("yes" if refusal.kind.transient else "no")


def test_the_warning_is_the_trainings_own():
    code = (ROOT / "include/airloop/training/trainers/torch/optimiser.py").read_text(
        encoding="utf-8"
    )
    assert ROWS["CUDA out of memory"][0] in code


def test_no_other_line_is_promised():
    known = {one.what for one in (*FAILURES, JOB_FORBIDDEN, *REFUSALS)} | {"CUDA out of memory"}
    assert ROWS.keys() - known == {"unreachable cluster"}
    assert ROWS["unreachable cluster"][0] == UNREACHABLE
