"""The documentation builds as a site: every link leads somewhere, every page is in its list, nothing comes from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.checkout import ROOT

#: What the build reads.
SOURCES = ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "scripts/site.py")
FOLDERS = ("docs", "docker", "config/examples")


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout; whatever asks another host meets a closed door."""
    closed = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=project,
        env={**os.environ, **closed, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this checkout."""
    place = tmp_path_factory.mktemp("site")
    done = build(ROOT, place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the build reads, for a fault to be planted in."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for source in SOURCES:
        (tmp_path / source).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, tmp_path / source)
    return tmp_path


class Fetched(HTMLParser):
    """What a browser fetches by itself while it shows a page: not where a reader may click to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        fetched = [named.get("src"), named.get("href") if tag == "link" else None]
        self.addresses += [address for address in fetched if address]


def foreign(page: Path) -> list[str]:
    """The addresses at other hosts that a page makes the browser fetch."""
    reader = Fetched()
    reader.feed(page.read_text(encoding="utf-8"))
    return [address for address in reader.addresses if re.match(r"(https?:)?//", address)]


def test_each_page_of_the_repository_is_in_the_site(site: Path) -> None:
    ours = {
        path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")
    }
    shown = {page.parent.relative_to(site) for page in site.rglob("index.html")}
    assert {path.parent if path.name == "README" else path for path in ours} <= shown
    assert {Path(), Path("contributing"), Path("changelog"), Path("docker")} <= shown


def test_a_page_fetches_nothing_from_another_host(site: Path, tmp_path: Path) -> None:
    """With its control: one that does is found."""
    pages = [*site.rglob("*.html")]
    assert len(pages) > 30
    assert {str(page): found for page in pages if (found := foreign(page))} == {}
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not [text for text in styles if re.search(r"url\(\s*['\"]?(https?:)?//", text)]
    planted = tmp_path / "planted.html"
    planted.write_text(
        '<link rel="stylesheet" href="https://fonts.example/a.css"><a href="https://a.example">'
    )
    assert foreign(planted) == ["https://fonts.example/a.css"]


def test_what_lies_outside_of_docs_is_led_to_its_place(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="configuration/"' in home
    assert 'src="images/airloop-page.png"' in home
    assert (site / "files/config/examples/flight_delay_by_carrier.yaml").is_file()
    assert 'href="../docker/"' in (site / "kubernetes/index.html").read_text(encoding="utf-8")


def test_the_picture_of_the_loop_names_what_the_diagram_names(site: Path) -> None:
    """Mermaid draws it in the repository; a browser would have to fetch that from elsewhere."""
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    image = ET.parse(site / "images/loop.svg").iter("{http://www.w3.org/2000/svg}text")
    picture = "\n".join(text.text or "" for text in image)
    names = set(re.findall(r"\b[a-z]+_flight\w*", diagram))
    assert len(names) == 5
    assert names == set(re.findall(r"\b[a-z]+_flight\w*", picture))
    for label in re.findall(r"-- ([a-z ]+) -->|-\. ([a-z ]+) \.->", diagram):
        assert "".join(label) in picture
    home = (site / "index.html").read_text(encoding="utf-8")
    assert 'src="images/loop.svg"' in home
    assert "flowchart" not in home


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("[more](nowhere.md)", "nowhere.md"),
        ("[more](data.md#no-such-heading)", "no-such-heading"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(checkout: Path, fault: str, told: str) -> None:
    page = checkout / "docs" / "serving.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\n{fault}\n", encoding="utf-8")
    done = build(checkout, checkout / "site")
    assert done.returncode != 0
    assert told in done.stdout + done.stderr


def test_a_page_that_the_list_forgets_ends_the_build(checkout: Path) -> None:
    (checkout / "docs" / "forgotten.md").write_text("# Forgotten\n", encoding="utf-8")
    done = build(checkout, checkout / "site")
    assert done.returncode != 0
    assert "forgotten.md" in done.stdout + done.stderr
