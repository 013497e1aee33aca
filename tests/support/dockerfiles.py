"""What a Dockerfile says, stage by stage, and what the policy of the house finds in it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dockerfile_parse import DockerfileParser

SECRET = re.compile("PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|_KEY", re.IGNORECASE)
BUILD_TOOLS = {
    "build-essential", "cmake", "curl", "g++", "gcc", "make", "pip", "python3-dev", "python3-pip",
    "python3.11-dev", "python3.11-venv", "uv", "wget",
}  # fmt: skip
LABELS = {
    f"org.opencontainers.image.{name}"
    for name in ("title", "description", "licenses", "version", "revision")
}


@dataclass
class Stage:
    """One FROM and what follows it."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """All values of one instruction."""
        return [value for kind, value in self.steps if kind == instruction]


def stages(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first FROM, and the stages."""
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()))
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for item in parser.structure:
        kind, value = item["instruction"], item["value"]
        if kind == "FROM":
            base, _, name = value.partition(" AS ")
            found.append(Stage(base.strip(), name.strip()))
        elif found:
            found[-1].steps.append((kind, value))
        elif kind == "ARG":
            name, _, default = value.partition("=")
            arguments[name] = default
    return arguments, found


def faults(text: str, target: str = "") -> list[str]:
    """What is wrong with the image that ``target``, or else the last stage, makes."""
    arguments, every = stages(text)
    named = {stage.name: stage for stage in every}
    chain = [named[target] if target else every[-1]]
    while chain[-1].base in named:
        chain.append(named[chain[-1].base])
    # From the base image on: what comes later counts.
    chain.reverse()
    return [
        *_base_faults(chain[0].base, arguments),
        *(fault for stage in every for fault in _anywhere(stage)),
        *_image_faults(chain),
    ]


def _base_faults(base: str, arguments: dict[str, str]) -> Iterator[str]:
    image = arguments.get(base.strip("${}"), base)
    tag = image.rpartition(":")[2] if ":" in image else ""
    if "@sha256:" not in image and not re.match(r"\d+\.\d+", tag):
        yield "the base image may move"


def _anywhere(stage: Stage) -> Iterator[str]:
    """What no stage may do, since its layers and its history stay with whoever builds."""
    if stage.values("ADD"):
        yield "ADD fetches what nobody checked"
    for value in [*stage.values("ENV"), *stage.values("ARG")]:
        if SECRET.search(" ".join(re.findall(r"(\w+)(?==|$)", value))):
            yield "a secret would stay in the image"
    for command in stage.values("RUN"):
        for part in re.split(r"&&|;", command):
            installs = re.search(r"\b(pip|uv)\b.*\b(install|wheel)\b", part)
            if installs and not re.search(r"--require-hashes|--offline", part):
                yield "a package is installed unchecked"
    for value in stage.values("COPY"):
        if re.match(r"\.\s", value):
            yield "everything is copied"


def _image_faults(chain: list[Stage]) -> Iterator[str]:
    def last(kind: str) -> str:
        values = [value for stage in chain for value in stage.values(kind)]
        return values[-1] if values else ""

    if not re.fullmatch(r"[1-9]\d*:\d+", last("USER")):
        yield "may run as root"
    if chain[-1].values("USER") and any(
        kind == "RUN" for kind, _ in chain[-1].steps[_index(chain[-1], "USER") :]
    ):
        yield "runs commands after the user was set"
    if not last("HEALTHCHECK"):
        yield "says nothing of its health"
    if not last("ENTRYPOINT").startswith('["tini", "--"'):
        yield "no init is process 1"
    elif not isinstance(json.loads(last("ENTRYPOINT").replace("\\\n", "")), list):
        yield "a shell is process 1"
    labels = " ".join(value for stage in chain for value in stage.values("LABEL"))
    if missing := {label for label in LABELS if label not in labels}:
        yield f"lacks labels: {', '.join(sorted(missing))}"
    words = {
        word
        for stage in chain
        for command in stage.values("RUN")
        for part in re.split(r"&&|;", command)
        if re.search(r"apt-get|pip|uv", part)
        for word in part.split()
    }
    if tools := words & BUILD_TOOLS:
        yield f"build tools stay in it: {', '.join(sorted(tools))}"


def _index(stage: Stage, kind: str) -> int:
    return max(number for number, (name, _) in enumerate(stage.steps) if name == kind)
