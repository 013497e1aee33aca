"""The files of a new project: some rendered for it, the others those of the packaged example."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from airloop import __version__
from airloop.contracts import Contract
from airloop.projects.installation import example_files

#: Rendered files: their path in the project → their name in the template's folder.
RENDERED = {
    ".gitignore": "gitignore.jinja",
    "Dockerfile": "Dockerfile.jinja",
    "Makefile": "Makefile.jinja",
    "README.md": "README.md.jinja",
    "pyproject.toml": "pyproject.toml.jinja",
    "tests/test_project.py": "test_project.py.jinja",
}
#: What every project shares with the example: settings, pools, the pods' shapes, the one DAG file.
SHARED = (
    "config/airloop.yaml",
    "config/environments/local.yaml",
    "config/kubernetes/pod_templates/cpu.yaml",
    "config/kubernetes/pod_templates/gpu.yaml",
    "config/pools.json",
    "dags/loop.py",
)


class Origin(Contract):
    """What a project was made from: written into it, for ``airloop upgrade --check`` to compare with."""

    #: The project's name, and that of its package below ``include/``.
    name: str
    package: str
    example: str | None = None
    #: The sha256 of each file of the template as it was.
    files: dict[str, str] = {}


#: Where the origin is noted.
ORIGIN = ".airloop-template.json"


def template_files(origin: Origin) -> dict[str, bytes]:
    """The files of a project that come from the template, as this Airloop would make them, by path."""
    packaged = example_files("flights")
    made = {path: packaged[path] for path in SHARED}
    return made | {path: _render(name, origin) for path, name in RENDERED.items()}


def project_files(origin: Origin) -> dict[str, bytes]:
    """All files of a new project, by path."""
    made = template_files(origin)
    if origin.example:
        made = example_files(origin.example) | made
    else:
        made[f"include/{origin.package}/__init__.py"] = b""
    noted = origin.model_copy(update={"files": digests(template_files(origin))})
    return made | {ORIGIN: (noted.model_dump_json(indent=2) + "\n").encode()}


def digests(found: dict[str, bytes]) -> dict[str, str]:
    """The sha256 of each file."""
    return {path: digest(content) for path, content in sorted(found.items())}


def digest(content: bytes) -> str:
    """The sha256 of a file."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _render(name: str, origin: Origin) -> bytes:
    text = (files("airloop.projects") / "template" / name).read_text(encoding="utf-8")
    page = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)  # noqa: S701 (no HTML)
    known = origin.model_dump() | {"version": __version__}
    return page.from_string(text).render(known).encode()
