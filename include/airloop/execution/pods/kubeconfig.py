"""What an Airflow connection says of a cluster: its address, and as whom one asks, without the libraries of either."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from airloop.errors import SpecError

#: How a connection names its cluster.
_KEYS = ("in_cluster", "kube_config_path", "kube_config")
#: Before each field's name in connections that old versions of the provider wrote.
_OLD = "extra__kubernetes__"
#: Where Kubernetes puts the account of a pod, and how a pod knows that it is one.
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """A cluster and the credentials for it.

    :param certificate: a client's certificate and its key, in PEM
    :param trust: the certificates to trust, in PEM; the machine's own without them
    """

    server: str
    token: str = field(default="", repr=False)
    certificate: tuple[str, str] | None = field(default=None, repr=False)
    trust: str | None = None
    verify: bool = True

    @property
    def ends(self) -> tuple[str, datetime] | None:
        """Which credential ends first, and when; None where none says anything of it."""
        moments = [("token", self._token_ends()), ("client certificate", self._certificate_ends())]
        known = [(what, moment) for what, moment in moments if moment is not None]
        return min(known, key=lambda one: one[1], default=None)

    @property
    def headers(self) -> dict[str, str]:
        """What a request says of who asks; a certificate speaks before it."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def tls(self) -> ssl.SSLContext:
        """What an HTTP client verifies the server by, and shows to it."""
        context = ssl.create_default_context(cadata=self.trust)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate is not None:
            # Python reads them from a file alone; this one is nobody else's, and gone at once.
            with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
                file.write("\n".join(self.certificate))
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def _token_ends(self) -> datetime | None:
        try:
            body = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            return datetime.fromtimestamp(float(claims["exp"]), UTC)
        except (IndexError, KeyError, TypeError, ValueError):
            return None

    def _certificate_ends(self) -> datetime | None:
        if self.certificate is None:
            return None
        from cryptography.x509 import load_pem_x509_certificate

        return load_pem_x509_certificate(self.certificate[0].encode()).not_valid_after_utc


def connection_variable(name: str) -> str:
    """The variable that holds an Airflow connection."""
    return f"AIRFLOW_CONN_{name.upper()}"


def extra_of(text: str) -> dict[str, Any]:
    """The extra fields of a connection, which is JSON or a URI.

    :raises ValueError: if it is neither
    """
    if text.lstrip().startswith("{"):
        extra = json.loads(text).get("extra") or {}
        return json.loads(extra) if isinstance(extra, str) else dict(extra)
    query = {key: values[0] for key, values in parse_qs(urlsplit(text).query).items()}
    return json.loads(query["__extra__"]) if "__extra__" in query else dict(query)


def cluster_extra(environ: Mapping[str, str], name: str) -> dict[str, Any]:
    """The extra fields of the connection to a cluster that an environment holds, without the prefix of old ones.

    :raises SpecError: if it holds none, or one that names no cluster: no other is ever taken
    """
    variable = connection_variable(name)
    if variable not in environ:
        raise SpecError(
            "this environment holds no connection to a cluster, and the machine's own kubeconfig is not used",
            value=name,
            remedy=f"export {variable} (docs/kubernetes.md), unless Airflow itself keeps it",
        )
    try:
        extra = extra_of(environ[variable])
    except ValueError as error:
        raise SpecError("this is no connection", where=variable, value=str(error)) from None
    if not names_a_cluster(extra):
        remedy = "give it in_cluster, kube_config_path or kube_config; KUBECONFIG and ~/.kube are not used"
        raise SpecError("the connection names no cluster", where=variable, remedy=remedy)
    return {key.removeprefix(_OLD): value for key, value in extra.items()}


def names_a_cluster(extra: Mapping[str, Any]) -> bool:
    """Whether a connection says which cluster it reaches, and as whom."""
    return any(extra.get(key) or extra.get(f"{_OLD}{key}") for key in _KEYS)


def config_of(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The kubeconfig that stands in a connection itself, as text or as an object."""
    found = extra["kube_config"]
    config: dict[str, Any] = yaml.safe_load(found) if isinstance(found, str) else found
    return config


def access_of(extra: Mapping[str, Any], where: str) -> Access:
    """The cluster that a connection's extra fields name.

    :raises SpecError: if nobody but a program can tell as whom one asks there: then ask kubectl
    """
    context = extra.get("cluster_context")
    try:
        if extra.get("in_cluster"):
            token = (_ACCOUNT / "token").read_text(encoding="ascii")
            trust = (_ACCOUNT / "ca.crt").read_text(encoding="ascii")
            return Access("https://kubernetes.default.svc", token.strip(), trust=trust)
        if path := extra.get("kube_config_path"):
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            return _chosen(data, context, Path(path).parent, f"{where}: {path}")
        return _chosen(config_of(extra), context, Path.cwd(), where)
    except OSError as error:
        raise SpecError(
            f"the connection's file cannot be read: {error.strerror}",
            value=str(error.filename),
            where=where,
        ) from error


def _chosen(data: Any, context: str | None, folder: Path, where: str) -> Access:
    """The cluster and the user of a kubeconfig's context."""
    try:
        chosen = _named(data, "contexts", context or data["current-context"])["context"]
        cluster = _named(data, "clusters", chosen["cluster"])["cluster"]
        user = _named(data, "users", chosen["user"])["user"]
        verify = not cluster.get("insecure-skip-tls-verify", False)
        token = user.get("token") or ""
        # Unlike the token itself the file is renewed under the feet of whoever reads it.
        if file := user.get("tokenFile"):
            token = (folder / file).read_text(encoding="ascii").strip()
        shown, key = (_pem(user, name, folder) for name in ("client-certificate", "client-key"))
        access = Access(
            str(cluster["server"]),
            token,
            (shown, key) if shown and key else None,
            _pem(cluster, "certificate-authority", folder),
            verify,
        )
        _see_that_it_is_one(access)
    except (KeyError, TypeError, StopIteration, ValueError) as error:
        raise SpecError("this is no kubeconfig", value=str(error), where=where) from error
    if not token and access.certificate is None:
        what = "who asks there is known neither by a token nor by a certificate, so Airloop cannot tell"
        raise SpecError(what, where=where, remedy="ask `kubectl auth whoami` with that kubeconfig")
    return access


def _see_that_it_is_one(access: Access) -> None:
    """:raises ValueError: if what stands for a certificate is none, or its key is another's"""
    try:
        access.tls()
        _ = access.ends
    except ssl.SSLError as error:
        raise ValueError(f"its certificates cannot be read: {error.reason}") from error


def _pem(of: Mapping[str, Any], name: str, folder: Path) -> str | None:
    """A certificate or a key that stands in a kubeconfig, or in a file beside it."""
    if data := of.get(f"{name}-data"):
        return base64.b64decode(data).decode("ascii")
    return (folder / of[name]).read_text(encoding="ascii") if of.get(name) else None


def _named(data: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in data[kind] if one["name"] == name)
    return found
