"""What mkdocs needs to build the site from pages that read well in the repository too.

Some pages lie outside of ``docs/``, and links are relative to the repository. Here those pages join the site, links
are led to where their targets lie there, and any other file that a page links to is copied beside the pages.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
#: Pages outside of docs/: their path in the repository, and their place in the site.
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docker/README.md": "docker.md",
}
#: A diagram in the words of Mermaid, which a browser would have to fetch: the site shows the picture of it.
_DIAGRAM = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
_PICTURE = "![The loop: what wakes what](docs/images/loop.svg)"
_LINK = re.compile(r"(\]\()([^()#\s:]+)((?:#[^()\s]*)?\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of docs/, and what pages link to."""
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for page in list(files.documentation_pages()):
        for _, target, _ in _LINK.findall(page.content_string):
            place = _place(page.src_uri, target)
            if place and files.get_file_from_path(place) is None:
                source = ROOT / place.removeprefix("files/")
                files.append(File.generated(config, place, abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead the links of a page to where their targets lie in the site; show the diagram as a picture."""

    def led(link: re.Match[str]) -> str:
        place = _place(page.file.src_uri, link[2])
        if place is None:
            return link[0]
        return (
            link[1]
            + posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")
            + link[3]
        )

    if page.file.src_uri == OUTSIDE["README.md"]:
        markdown = _DIAGRAM.sub(_PICTURE, markdown)
    return _LINK.sub(led, markdown)


def _place(page: str, target: str) -> str | None:
    """Where the target of a page's link lies in the site; None where no file lies behind it."""
    names = {place: source for source, place in OUTSIDE.items()}
    folder = posixpath.dirname(names.get(page, f"docs/{page}"))
    source = posixpath.normpath(posixpath.join(folder, target))
    if not (ROOT / source).is_file():
        return None
    if source in OUTSIDE:
        return OUTSIDE[source]
    return source.removeprefix("docs/") if source.startswith("docs/") else f"files/{source}"
