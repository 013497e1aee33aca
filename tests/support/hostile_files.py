"""Files that are wrong in every way a person, an editor or a disk can make them, from one seed.

Each :class:`Mutant` spoils one file of a config folder that :func:`plant_world` laid out, with good files beside it. What
must stop with that file is known beforehand; all else must go on.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.checkout import ROOT

MODEL, DATASET = "models/victim.yaml", "datasets/shared.yaml"
SETTINGS, POOLS = "airloop.yaml", "pools.json"
#: What must never notice.
BYSTANDERS = ("flight_delay", "flight_delay_torch")
#: The models that share the dataset which is spoilt.
SHARING = ("shared_one", "shared_three", "shared_two")
#: What stops with each file: models, and datasets.
STOPS = {
    MODEL: (("victim",), ()),
    DATASET: (SHARING, ("shared",)),
    SETTINGS: ((), ()),
    POOLS: ((), ()),
}
Spoil = Callable[[Path, random.Random], None]


@dataclass(frozen=True)
class Mutant:
    """One file, spoilt in one way."""

    file: str
    name: str
    seed: int
    spoil: Spoil

    def plant(self, config: Path) -> Path:
        """Spoil the file; returns its path."""
        path = config / self.file
        self.spoil(path, random.Random(self.seed))
        return path

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def plant_world(config: Path) -> None:
    """The checkout's config, with a model of its own to spoil, and a dataset that three models share."""
    shutil.copytree(ROOT / "config", config)
    model = (config / "models" / "flight_delay.yaml").read_text()
    (config / MODEL).write_text(model.replace("name: flight_delay", "name: victim"))
    dataset = (config / "datasets" / "flights.yaml").read_text()
    (config / DATASET).write_text(dataset.replace("name: flights", "name: shared"))
    for name in SHARING:
        text = model.replace("name: flight_delay", f"name: {name}")
        (config / "models" / f"{name}.yaml").write_text(
            text.replace("dataset: flights", "dataset: shared")
        )


def mutants(seed: int, count: int = 60) -> list[Mutant]:
    """As many mutants, every way on some file, the same for the same seed."""
    chance = random.Random(seed)
    found = [
        Mutant(file, name, chance.getrandbits(32), spoil)
        for file, ways in (
            (MODEL, WAYS | SPEC_WAYS),
            (DATASET, WAYS | SPEC_WAYS),
            (SETTINGS, WAYS),
            (POOLS, WAYS),
        )
        for name, spoil in ways.items()
    ]
    chance.shuffle(found)
    # Every way once before any comes twice.
    seen: set[str] = set()
    first = [one for one in found if not (one.name in seen or seen.add(one.name))]  # type: ignore[func-returns-value]
    rest = [one for one in found if one not in first]
    return (first + rest)[:count]


def _rewrite(change: Callable[[str, random.Random], str | bytes]) -> Spoil:
    def spoil(path: Path, chance: random.Random) -> None:
        made = change(path.read_text(), chance)
        path.write_bytes(made if isinstance(made, bytes) else made.encode())

    return spoil


def _replace(make: Callable[[Path], None]) -> Spoil:
    def spoil(path: Path, _: random.Random) -> None:
        path.unlink()
        make(path)

    return spoil


def _key_lines(text: str) -> list[int]:
    """The lines that begin a key: at the margin in YAML, one level in in JSON."""
    lines = text.splitlines()
    margin = '  "' if text.startswith("{") else ""
    return [
        number
        for number, line in enumerate(lines)
        if line.startswith(margin) and line[len(margin) :][:1].isalpha() and ":" in line
    ]


def _line_changed(text: str, chance: random.Random, change: Callable[[str], str]) -> str:
    lines = text.splitlines()
    number = chance.choice(_key_lines(text))
    lines[number] = change(lines[number])
    return "\n".join(lines) + "\n"


def _misspelt(text: str, chance: random.Random) -> str:
    return _line_changed(text, chance, lambda line: line.replace(line.strip(' "')[:3], "xq", 1))


def _of_the_wrong_type(text: str, chance: random.Random) -> str:
    key = chance.choice(_key_lines(text))
    lines = text.splitlines()
    end = next(
        (n for n in range(key + 1, len(lines)) if n in _key_lines(text) or lines[n] == "}"),
        len(lines),
    )
    comma = "," if text.startswith("{") and lines[end] != "}" else ""
    lines[key:end] = [lines[key].partition(":")[0] + ": [[1, {}]]" + comma]
    return "\n".join(lines) + "\n"


def _twice(text: str, chance: random.Random) -> str:
    if text.startswith("{"):
        return text.replace("airloop_gpu", "airloop_heavy")
    lines = text.splitlines()
    number = chance.choice([n for n in _key_lines(text) if ": " in lines[n]])
    return "\n".join([*lines, lines[number].partition(":")[0] + ": 1"]) + "\n"


def _torn(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) // 2, len(text) - 1)] + "\n{a: ["


def _scribbled(text: str, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    noise = bytes(chance.randrange(0x80, 0xC0) for _ in range(8))
    return text[:at].encode() + noise + text[at:].encode()


def _garbage(_: str, chance: random.Random) -> str:
    return "{" + "".join(chance.choice("{}[]:,&*!|>'\"%@`ab\n\t") for _ in range(400))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's name must be short.
        here = os.open(path.parent, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _without_permission(path: Path, _: random.Random) -> None:
    if os.geteuid() == 0:  # who may read all is refused by the disk instead
        path.unlink()
        path.symlink_to("/proc/self/mem")
    else:
        path.chmod(0)


WAYS: dict[str, Spoil] = {
    "a key misspelt": _rewrite(_misspelt),
    "a value of the wrong type": _rewrite(_of_the_wrong_type),
    "a key twice": _rewrite(_twice),
    "torn while it was written": _rewrite(_torn),
    "bytes that are no text": _rewrite(_scribbled),
    "UTF-16": _rewrite(lambda text, _: text.encode("utf-16")),
    "NUL": _rewrite(lambda text, chance: text + "\0" * chance.randrange(1, 9)),
    "garbage": _rewrite(_garbage),
    "a bomb of aliases": _rewrite(
        lambda text, _: "a: &a [x, x]\n" + "".join(f"a{n}: &b{n} [*a, *a]\n" for n in range(30))
    ),
    "a tag that runs code": _rewrite(
        lambda text, _: "owner: !!python/object/apply:os.system ['true']\n"
    ),
    "nested deeply": _rewrite(lambda text, _: "a: " + "[" * 50_000),
    "sixty thousand keys": _rewrite(lambda text, _: "".join(f"k{n}: 1\n" for n in range(60_000))),
    "a list": _rewrite(lambda text, _: "- a\n- b\n"),
    "two documents": _rewrite(lambda text, _: "a: 1\n---\nb: 2\n"),
    "a terabyte": _replace(_huge),
    "a folder": _replace(Path.mkdir),
    "a pipe": _replace(os.mkfifo),
    "a socket": _replace(_socket),
    "a device": _replace(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": _replace(lambda path: path.symlink_to(path.name)),
    "a link that leads nowhere": _replace(lambda path: path.symlink_to("gone.yaml")),
    "may not be read": _without_permission,
}
#: What is wrong of a spec alone: settings may be empty, and have neither name nor owner.
SPEC_WAYS: dict[str, Spoil] = {
    "empty": _rewrite(lambda text, _: ""),
    "the name of another": _rewrite(
        lambda text, _: text.replace("name: ", "name: flight_delay  # ")
    ),
    "without an owner": _rewrite(lambda text, _: text.replace("owner:", "# owner:")),
    "a kind that nobody brings": _rewrite(
        lambda text, _: text.replace("kind: python", "kind: nobodys").replace(
            "trainer: sklearn", "trainer: nobodys"
        )
    ),
}

#: What an editor leaves beside a file; none of it is a spec.
LEFTOVERS = (".#victim.yaml", "victim.yaml~", ".victim.yaml.swp", "#victim.yaml#", ".hidden.yaml")


def plant_leftovers(folder: Path) -> Iterator[Path]:
    """Write each of them: a lock of Emacs' is a link that leads nowhere."""
    for name in LEFTOVERS:
        path = folder / name
        if name.startswith(".#"):
            path.symlink_to("somebody@machine.123:456")
        else:
            path.write_text("no spec at all: [")
        yield path
