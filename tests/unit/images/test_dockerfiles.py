"""The Dockerfiles, without building them: a linter's rules, the house's policy, and a control for each of its rules."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import airloop
from tests.support.checkout import ROOT
from tests.support.dockerfiles import faults, stages

DOCKER = ROOT / "docker"
IMAGES = [
    ("airflow.Dockerfile", ""),
    ("step.Dockerfile", ""),
    ("step.Dockerfile", "gpu"),
    ("serving.Dockerfile", ""),
]
STEP = (DOCKER / "step.Dockerfile").read_text()


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    binary = Path(sys.executable).parent / "hadolint"
    argv = [binary, "--no-color", "--config", DOCKER / ".hadolint.yaml", path]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", sorted({name for name, _ in IMAGES}))
def test_the_linter_finds_nothing(name: str) -> None:
    done = hadolint(DOCKER / name)
    assert (done.returncode, done.stdout) == (0, "")


def test_control_the_linter_finds_a_fault(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(STEP + "\nRUN cd /tmp && sudo ls\n")
    assert "DL3004" in hadolint(tmp_path / "Dockerfile").stdout


@pytest.mark.parametrize(("name", "target"), IMAGES)
def test_an_image_keeps_the_policy(name: str, target: str) -> None:
    assert faults((DOCKER / name).read_text(), target) == []


BREAKS = {
    "the base image may move": ("debian:12.15-slim", "debian:latest"),
    "may run as root": ("USER 10001:10001", "USER root"),
    "says nothing of its health": ("HEALTHCHECK NONE", ""),
    "no init is process 1": ('["tini", "--", "python"', '["python"'),
    "ADD fetches what nobody checked": ("COPY config config", "ADD https://x.example/a.tgz config"),
    "a secret would stay in the image": (
        f"ARG VERSION={airloop.__version__}",
        "ARG REGISTRY_TOKEN",
    ),
    "a package is installed unchecked": ("--require-hashes --no-deps", "--no-deps"),
    "everything is copied": ("COPY include /source/include", "COPY . /source"),
    "runs commands after the user was set": (
        "COPY --from=installed /opt/venv /opt/venv",
        "USER 10001:10001\nRUN echo $HOME",
    ),
    "build tools stay in it: gcc": ("libgomp1 python3.11", "libgomp1 gcc python3.11"),
    "lacks labels: org.opencontainers.image.revision": (
        'org.opencontainers.image.revision="${REVISION}"',
        'x="y"',
    ),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_control_the_policy_finds_what_is_broken(fault: str) -> None:
    good, bad = BREAKS[fault]
    assert good in STEP
    assert fault in faults(STEP.replace(good, bad))


def test_only_what_an_image_needs_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for name, _ in IMAGES
        for line in re.findall(r"(?m)^COPY (?!--from)(.*)$", (DOCKER / name).read_text())
        for source in line.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    assert all(any(source.startswith(path) for path in admitted) for source in copied)
    assert not [path for path in admitted if path in {"docker", ".env", ".git", ".airloop"}]


@pytest.mark.parametrize(("name", "target"), IMAGES)
def test_an_image_runs_the_installed_wheel_and_holds_a_project_beside_it(
    name: str, target: str
) -> None:
    _, every = stages((DOCKER / name).read_text())
    named = {stage.name: stage for stage in every}
    chain = [named[target] if target else every[-1]]
    while chain[-1].base in named:
        chain.append(named[chain[-1].base])
    copied = [value for stage in chain for value in stage.values("COPY")]
    assert f"--from=installed{f'-{target}' if target else ''} /opt/venv /opt/venv" in copied
    sources = {value.split()[0] for value in copied if not value.startswith("--from")}
    assert {"config", "include/flights", "requirements.lock"} <= sources
    assert not {"dags", "include", "operators", "plugins"} & sources
    environment = " ".join(value for stage in chain for value in stage.values("ENV"))
    assert "AIRLOOP_PROJECT=/opt/airloop/project" in environment
    assert not re.search("PYTHONPATH|PLUGINS_FOLDER", environment)
    assert [value for stage in chain for value in stage.values("WORKDIR")] == [
        "/opt/airloop/project"
    ]


@pytest.mark.parametrize("name", sorted({name for name, _ in IMAGES}))
def test_the_wheel_is_built_from_what_its_stage_copies(name: str, tmp_path: Path) -> None:
    _, every = stages((DOCKER / name).read_text())
    (wheel,) = [stage for stage in every if stage.name == "wheel"]
    for value in wheel.values("COPY"):
        *sources, target = value.split()
        place = tmp_path / target.lstrip("/")
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)
    (command,) = wheel.values("RUN")
    here = command.replace("/builder/bin/", f"{Path(sys.executable).parent}/")
    here = here.replace("/source", f"{tmp_path}/source").replace("/dist", f"{tmp_path}/dist")
    done = subprocess.run(
        shlex.split(here), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in (tmp_path / "dist").glob("airloop-*")] == [".whl"]


def test_every_tag_and_argument_is_of_this_version() -> None:
    files = [
        *DOCKER.glob("*.Dockerfile"),
        *(DOCKER / "compose.yaml", DOCKER / "README.md"),
        *(
            ROOT / "config" / "kubernetes" / f"{name}.yaml"
            for name in ("helm-values", "kustomization")
        ),
        ROOT / "docs" / "kubernetes.md",
    ]
    named = r"(?:airloop-\w+[:,][^0-9\s]*|\.tag=|newTag: |\bVERSION=)(\d+\.\d+\.\d+)"
    for file in files:
        # A table shows an error about somebody's image.
        text = re.sub(r"(?m)^\|.*", "", file.read_text())
        found = re.findall(named, text)
        assert found, file
        assert set(found) == {airloop.__version__}, file


def test_the_numeric_users_are_those_of_the_manifests() -> None:
    templates = ROOT / "config" / "kubernetes"
    assert "runAsUser: 10001" in (templates / "pod_templates" / "cpu.yaml").read_text()
    assert "USER 10001:10001" in STEP
    assert "runAsUser: 50000" in (templates / "helm-values.yaml").read_text()
    assert "USER 50000:0" in (DOCKER / "airflow.Dockerfile").read_text()
