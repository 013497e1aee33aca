"""Addresses in the settings: of servers, of stores, of databases. Checked, never opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, StringConstraints

from airloop.issues import KeyPath, SpecIssue, SpecIssuesError, spell

DATABASES = ("sqlite", "postgresql")
STORES = ("file", "s3")
#: A bucket's name and what lies under it, as both clients of a bucket read it.
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LEDGER = "write sqlite:////absolute/path or postgresql://user:password@host/name"


def masked(text: str) -> str:
    """The text without the user and password an address in it may hold."""
    return re.sub(r"//[^/\s]*@", "//***@", text)


def _refusal(what: str, remedy: str, valid: tuple[str, ...] = ()) -> SpecIssuesError:
    return SpecIssuesError([SpecIssue((), what, None, remedy, valid)])


def _split(text: str, remedy: str) -> SplitResult:
    if _UNPRINTABLE.search(text):
        raise _refusal("holds a space or a control character", remedy)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        # The parser's own words may repeat the address, and with it a password.
        raise _refusal("cannot be read as an address", remedy) from error
    return parts


def _server(text: str) -> str:
    remedy = "write http://host:port or https://host"
    parts = _split(text, remedy)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _refusal("is not the address of a server", remedy)
    return text.rstrip("/")


def _tracking(text: str) -> str:
    parts = _split(text, "write http://host:port")
    if parts.scheme in {"http", "https"}:
        if "@" in parts.netloc:
            # The address is printed, and written where everybody reads.
            remedy = "use MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            raise _refusal("holds a user or a password", remedy)
        return _server(text)
    if not _SCHEME.match(text) and not PurePosixPath(text).is_absolute():
        raise _refusal(
            "a relative path is another folder in every process", "write http://host:port"
        )
    return text


def _store(text: str) -> str:
    remedy = "write an absolute path or a URL such as s3://bucket/folder"
    if "\x00" in text or "\n" in text:
        raise _refusal("holds a control character", remedy)
    scheme = _SCHEME.match(text)
    if scheme is None and not PurePosixPath(text).is_absolute():
        raise _refusal("a relative path is another folder in every process", remedy)
    if scheme is not None and (name := scheme[0].removesuffix("://")) not in STORES:
        raise _refusal(f"there is no store {name!r}", remedy, STORES)
    if text.startswith("s3://") and not _BUCKET.fullmatch(text):
        raise _refusal("names no bucket", "write s3://bucket/folder")
    return text


def _database(text: str) -> str:
    remedy = "write postgresql://user:password@host/name"
    if urlsplit(text).scheme.partition("+")[0] != "postgresql":
        # SQLite is what it is without a word.
        raise _refusal("is not a Postgres URL", remedy)
    return _ledger(text)


def with_driver(url: str) -> str:
    """A Postgres URL that names the driver of the lock: SQLAlchemy 2.1 would take another by itself."""
    plain = "postgresql://"
    return f"postgresql+psycopg2://{url.removeprefix(plain)}" if url.startswith(plain) else url


def shared(urls: Mapping[KeyPath, str]) -> list[SpecIssue]:
    """Databases that two of Airflow, MLflow and Optuna would use: each keeps its version in a table of one name."""
    first: dict[str, KeyPath] = {}
    found = []
    for path, url in urls.items():
        if url and (other := first.setdefault(url, path)) != path:
            what = f"is the database of {spell(other)} too"
            found.append(SpecIssue(path, what, None, "give each a database of its own"))
    return found


def _ledger(text: str) -> str:
    parts = _split(text.replace(" ", "%20"), _LEDGER)
    backend = parts.scheme.partition("+")[0]
    if not _SCHEME.match(text):
        raise _refusal("is not a database URL", _LEDGER)
    if backend not in DATABASES:
        raise _refusal(f"the ledger knows no database {backend!r}", _LEDGER, DATABASES)
    if backend == "sqlite" and (parts.netloc or not parts.path.startswith("//")):
        raise _refusal("the ledger's SQLite file needs an absolute path: four slashes", _LEDGER)
    if backend == "postgresql" and not parts.path.strip("/"):
        raise _refusal("names no database", _LEDGER)
    return text


ServerUrl = Annotated[str, AfterValidator(_server)]
TrackingUri = Annotated[str, AfterValidator(_tracking)]
StoreUri = Annotated[str, AfterValidator(_store)]
LedgerUrl = Annotated[str, AfterValidator(_ledger)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
ConnectionId = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_.-]{1,200}\Z")]
