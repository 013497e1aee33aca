"""What an Airflow connection says of a cluster: its address, and as whom one asks, without the libraries of either."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from airloop.errors import SpecError

#: Where Kubernetes puts the account of a pod, and how a pod knows that it is one.
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """A cluster and the credentials for it.

    :param trust: the certificates to trust, in PEM; the machine's own without them
    """

    server: str
    token: str = field(default="", repr=False)
    trust: str | None = None
    verify: bool = True

    @property
    def expires(self) -> datetime | None:
        """When the token ends; None for one that says nothing of it."""
        try:
            body = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            return datetime.fromtimestamp(float(claims["exp"]), UTC)
        except (IndexError, KeyError, TypeError, ValueError):
            return None

    def tls(self) -> ssl.SSLContext | bool:
        """What an HTTP client verifies the server by."""
        return ssl.create_default_context(cadata=self.trust) if self.trust else self.verify


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


def access_of(extra: Mapping[str, Any], where: str) -> Access:
    """The cluster that a connection's extra fields name.

    :raises SpecError: if they name none, or one that is reached by a program or a certificate: then ask kubectl
    """
    extra = {key.removeprefix("extra__kubernetes__"): value for key, value in extra.items()}
    try:
        if extra.get("in_cluster"):
            token = (_ACCOUNT / "token").read_text(encoding="ascii")
            trust = (_ACCOUNT / "ca.crt").read_text(encoding="ascii")
            return Access("https://kubernetes.default.svc", token.strip(), trust)
        if path := extra.get("kube_config_path"):
            return _read(Path(path), extra.get("cluster_context"), where)
        if config := extra.get("kube_config"):
            data = yaml.safe_load(config) if isinstance(config, str) else config
            return _chosen(data, extra.get("cluster_context"), Path.cwd(), where)
    except OSError as error:
        raise SpecError(
            f"the connection's file cannot be read: {error.strerror}",
            value=str(error.filename),
            where=where,
        ) from error
    remedy = (
        "give it in_cluster, kube_config_path or kube_config; KUBECONFIG and ~/.kube are not used"
    )
    raise SpecError("the connection names no cluster", where=where, remedy=remedy)


def _read(path: Path, context: str | None, where: str) -> Access:
    return _chosen(
        yaml.safe_load(path.read_text(encoding="utf-8")), context, path.parent, f"{where}: {path}"
    )


def _chosen(data: Any, context: str | None, folder: Path, where: str) -> Access:
    """The cluster and the user of a kubeconfig's context."""
    try:
        chosen = _named(data, "contexts", context or data["current-context"])["context"]
        cluster = _named(data, "clusters", chosen["cluster"])["cluster"]
        user = _named(data, "users", chosen["user"])["user"]
        trust = cluster.get("certificate-authority-data")
        text = base64.b64decode(trust).decode("ascii") if trust else None
        if text is None and (file := cluster.get("certificate-authority")):
            text = (folder / file).read_text(encoding="ascii")
        verify = not cluster.get("insecure-skip-tls-verify", False)
        token = user.get("token") or ""
        # Unlike the token itself the file is renewed under the feet of whoever reads it.
        if file := user.get("tokenFile"):
            token = (folder / file).read_text(encoding="ascii").strip()
        server = str(cluster["server"])
    except (KeyError, TypeError, StopIteration, ValueError) as error:
        raise SpecError("this is no kubeconfig", value=str(error), where=where) from error
    if not token:
        what = "who asks there is not known by a token, so Airloop cannot tell"
        raise SpecError(what, where=where, remedy="ask `kubectl auth whoami` with that kubeconfig")
    return Access(server, token, text, verify)


def _named(data: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in data[kind] if one["name"] == name)
    return found
