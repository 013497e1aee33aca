"""The Dockerfiles, without building them: a linter's rules, the house's policy, and a control for each of its rules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.dockerfiles import faults

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
    "a secret would stay in the image": ("ARG VERSION=0.1.0", "ARG REGISTRY_TOKEN"),
    "a package is installed unchecked": ("--require-hashes --no-deps", "--no-deps"),
    "everything is copied": ("COPY include include", "COPY . ."),
    "runs commands after the user was set": (
        "COPY --from=libraries /opt/venv /opt/venv",
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


def test_the_step_image_holds_no_code_of_airflows_side() -> None:
    sources = re.findall(r"(?m)^COPY (?!--from)(\S+)", STEP)
    assert not {"dags", "operators", "plugins"} & set(sources)
    assert not {"dags", "operators", "plugins"} & set(
        re.findall(r"(?m)^COPY (?!--from)(\S+)", (DOCKER / "serving.Dockerfile").read_text())
    )


def test_the_numeric_users_are_those_of_the_manifests() -> None:
    templates = ROOT / "config" / "kubernetes"
    assert "runAsUser: 10001" in (templates / "pod_templates" / "cpu.yaml").read_text()
    assert "USER 10001:10001" in STEP
    assert "runAsUser: 50000" in (templates / "helm-values.yaml").read_text()
    assert "USER 50000:0" in (DOCKER / "airflow.Dockerfile").read_text()
