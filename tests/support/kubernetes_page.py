"""docs/kubernetes.md as its tests read it: sections, blocks and commands."""

from __future__ import annotations

import re

from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
#: Why no test runs a command, which is read all the same: what it begins with or holds.
NEEDS = {
    r"^(docker|for image) ": "a container engine, and a registry",
    r"^helm ": "Helm, its charts, and controllers",
    r"^aws ": "the AWS command line; the tests make their buckets by its library",
    r" rollout status ": "controllers",
    r" port-forward ": "a kubelet",
    r" exec .*airflow users create ": "FAB's users, which only the image has, and a kubelet",
    r"^curl ": "what is forwarded",
}


def commands(page: str) -> list[str]:
    """The commands of a page, each on one line."""
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    joined = re.sub(r"\\\n\s*", "", "".join(blocks))
    return re.findall(r"(?m)^\$ (.*)$", joined)


def section(title: str) -> list[str]:
    """The commands of one section, by the beginning of its title."""
    return commands(PAGE.split(f"\n## {title}")[1].split("\n## ")[0])


def needed(command: str) -> str:
    """What keeps a command from being run here; empty where nothing does."""
    return next((why for pattern, why in NEEDS.items() if re.search(pattern, command)), "")


def of_airflow(found: list[str]) -> list[str]:
    """What these commands start by `kubectl exec` in Airflow's container: no kubelet is needed for that itself."""
    inner = [command.partition(" -- ")[2] for command in found if " exec " in command]
    return [command for command in inner if command and not needed(f" exec {command} ")]


COMMANDS = commands(PAGE)
