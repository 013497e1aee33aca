"""``code.zip``: a model's own modules as one file of its artifact, equal bytes for equal sources.

It is read from memory, after its bytes were compared with the manifest's, and never unpacked: what its entries are
called decides about nothing but the modules' names.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from airloop.errors import ArtifactError, SpecError
from airloop.registry.code.closure import RESERVED, Source

#: Bytes of all modules together. Code is small; data belong into the lake.
LIMIT = 1_000_000
#: Modules of an archive.
MOST = 2_000
_ENTRY = re.compile(r"(?!\d)\w+(/(?!\d)\w+)*\.py", re.ASCII)
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Module:
    """One module's source."""

    content: bytes
    package: bool


def pack(sources: Mapping[str, Source], model: str) -> bytes:
    """The archive of these modules, without times, owners and compression.

    :raises SpecError: if they are larger than :data:`LIMIT`
    """
    files = {name: source.path.read_bytes() for name, source in sorted(sources.items())}
    if (size := sum(map(len, files.values()))) > LIMIT or len(files) > MOST:
        largest = max(files, key=lambda name: len(files[name]))
        raise SpecError(
            f"the model's code has {size:,} bytes in {len(files):,} modules; {LIMIT:,} bytes in {MOST:,} "
            "modules may travel with a version",
            value=f"{largest}, {len(files[largest]):,} bytes",
            where=f"model {model}",
            remedy="keep data out of modules, and import only what features() and build() need",
        )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            path = name.replace(".", "/") + ("/__init__" if sources[name].package else "")
            entry = zipfile.ZipInfo(f"{path}.py", _MOMENT)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, content)
    return target.getvalue()


def read(content: bytes, where: str) -> dict[str, Module]:
    """The modules of an archive, by their names.

    :raises ArtifactError: if it is not what :func:`pack` writes
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > LIMIT or len(entries) > MOST:
                raise _refused("more code than may travel", f"{size:,} bytes", where)
            return _modules(archive, entries, where)
    except ArtifactError:
        raise
    # zipfile has no error of its own for most of what damaged bytes lead it to.
    except Exception as error:
        raise _refused("it cannot be read", f"{type(error).__name__}: {error}", where) from error


def _modules(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], where: str
) -> dict[str, Module]:
    found: dict[str, Module] = {}
    for entry in entries:
        path = entry.orig_filename
        # A directory, a link or a device says so in the upper half; 0o100644 and 0o644 are plain files.
        if not _ENTRY.fullmatch(path) or (entry.external_attr >> 28) not in (0, 8):
            raise _refused("an entry is no Python module", path, where)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise _refused("an entry is compressed", path, where)
        name = path.removesuffix(".py").replace("/", ".")
        package = name.endswith(".__init__")
        name = name.removesuffix(".__init__")
        top = name.partition(".")[0]
        if top in RESERVED or top in sys.stdlib_module_names or name == "__init__":
            raise _refused("a module bears a name that is taken", path, where)
        if name in found:
            raise _refused("a module is there twice", path, where)
        found[name] = Module(archive.read(entry), package)
    return found


def _refused(what: str, value: str, where: str) -> ArtifactError:
    return ArtifactError(
        f"the code in the model's artifact is refused: {what}",
        value=value,
        where=where,
        remedy="the last good version keeps serving; train again",
    )
