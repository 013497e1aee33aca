"""Which cluster the steps' pods go to, as whom, and with which rights: what `up`, `check` and `status` say of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airloop.contracts import Contract
from airloop.errors import AirloopError, SpecError, UnreachableError
from airloop.execution.executor import executor_of
from airloop.execution.pods.kubeconfig import Access, access_of, cluster_extra, connection_variable
from airloop.settings import Settings
from airloop.specs import Catalog

if TYPE_CHECKING:
    import httpx

#: What the operators do, as config/kubernetes/rbac.yaml allows it: API group, resource, verbs.
NEEDED = (
    ("", "pods", ("create", "get", "list", "patch", "delete")),
    ("", "pods/log", ("get",)),
    ("", "events", ("list",)),
    ("batch", "jobs", ("create", "get", "list", "delete")),
    ("batch", "jobs/status", ("get",)),
    ("", "services", ("create", "get", "delete")),
)
#: A credential that ends sooner is told of.
SOON = timedelta(days=1)
_TIMEOUT = 5.0


class ClusterReport(Contract):
    """What one connection reaches.

    :param missing: rights that the operators need and do not have
    :param administrator: whether it may do everything there
    :param expires: when the credential ends that ends first
    :param kubeconfig: the file in which the credential is renewed; None where it stands in the connection itself
    :param context: the one of the file's contexts that the connection names
    """

    connection: str
    namespace: str
    server: str
    user: str
    missing: tuple[str, ...] = ()
    administrator: bool = False
    expires: datetime | None = None
    credential: str = "token"
    kubeconfig: str | None = None
    context: str | None = None

    def lines(self, now: datetime | None = None) -> list[str]:
        """One line, and one more for each thing that a person should know."""
        told = [f"{self.server}, namespace {self.namespace}, as {self.user}"]
        if self.missing:
            told.append(f"it may not {', '.join(self.missing)}: apply config/kubernetes/rbac.yaml")
        if self.administrator:
            told.append(
                "it may do everything there: give Airloop the token of airloop-launcher instead"
            )
        if self.expires is not None and (ending := _ending(self.credential, self.expires, now)):
            told.append(ending)
        return told


def wants_a_cluster(catalog: Catalog) -> bool:
    """Whether any model's steps run as pods; a spec that is wrong is told elsewhere."""
    specs = (entry.spec for entry in catalog.models())
    return any(spec and executor_of(spec.compute)[0].in_cluster for spec in specs)


def report(settings: Settings, environ: Mapping[str, str] = os.environ) -> ClusterReport:
    """Ask the cluster of the connection that this environment holds.

    :raises SpecError: if the environment holds none, or one that names no cluster
    :raises UnreachableError: if the cluster does not answer
    """
    name = settings.kubernetes.connection_id
    extra = cluster_extra(environ, name)
    access = access_of(extra, connection_variable(name))
    found = ask(access, name, settings.kubernetes.namespace)
    path = extra.get("kube_config_path")
    place = {
        "kubeconfig": str(Path(path).absolute()) if path and not extra.get("in_cluster") else None,
        "context": extra.get("cluster_context"),
    }
    return found.model_copy(update=place)


def ask(access: Access, connection: str, namespace: str) -> ClusterReport:
    """Who one is there, and what one may do in the namespace; changes nothing.

    :raises UnreachableError: if the cluster does not answer, or refuses the credentials
    """
    import httpx

    with httpx.Client(base_url=access.server, verify=access.tls(), trust_env=False) as http:
        review = _post(http, access, "authentication.k8s.io", "SelfSubjectReview", {})
        user = review["status"]["userInfo"]["username"]
        asked = {"namespace": namespace}
        review = _post(http, access, "authorization.k8s.io", "SelfSubjectRulesReview", asked)
    rules = review["status"].get("resourceRules") or []
    credential, expires = access.ends or ("token", None)
    return ClusterReport(
        connection=connection,
        namespace=namespace,
        server=access.server,
        user=user,
        missing=tuple(_missing(rules)),
        administrator=_may(rules, "*", "*", "*"),
        expires=expires,
        credential=credential,
    )


def keep(report: ClusterReport, path: Path) -> None:
    """Note what `up` found, for a later `status` in another shell; holds no secret."""
    path.write_text(report.model_dump_json(), encoding="utf-8")


def kept(path: Path) -> ClusterReport | None:
    """What the last `up` found, with the end of a credential that was renewed in its file since then."""
    try:
        found = ClusterReport.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    if found.kubeconfig is None:
        return found
    extra = {"kube_config_path": found.kubeconfig, "cluster_context": found.context}
    try:
        credential, expires = access_of(extra, found.connection).ends or ("token", None)
    except SpecError:  # the file is gone, or not for this user to read
        return found
    return found.model_copy(update={"credential": credential, "expires": expires})


def found_lines(settings: Settings, catalog: Catalog, note: Path | None = None) -> list[str]:
    """The report's lines, or in one line why there is none; nothing where no step runs as a pod.

    :param note: where to keep the report
    """
    if not wants_a_cluster(catalog):
        return []
    try:
        found = report(settings)
    except AirloopError as error:
        if note is not None:
            note.unlink(missing_ok=True)
        return [str(error)]
    if note is not None:
        keep(found, note)
    return found.lines()


def _post(
    http: httpx.Client, access: Access, group: str, kind: str, spec: dict[str, Any]
) -> dict[str, Any]:
    body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
    import httpx

    try:
        answer = http.post(
            f"/apis/{group}/v1/{kind.lower()}s",
            json=body,
            headers=access.headers,
            timeout=_TIMEOUT,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        told = "refuses the credentials: they are wrong or have expired"
        why = _ended(access) or (told if code == 401 else "does not say")
        raise UnreachableError(f"the cluster {why}", value=code, where=access.server) from None
    except (httpx.HTTPError, ValueError) as error:
        what = f"the cluster {_ended(access) or 'does not answer'}"
        raise UnreachableError(what, value=str(error), where=access.server) from None
    return found


def _ended(access: Access) -> str:
    """What a cluster makes of a credential whose time is over, which it may say by closing the line."""
    ending = access.ends and _ending(*access.ends)
    return f"refuses the credentials: {ending}" if ending and "ended at" in ending else ""


def _ending(credential: str, moment: datetime, now: datetime | None = None) -> str:
    """That a credential has ended or ends soon; empty where it holds."""
    left, at = moment - (now or datetime.now(UTC)), f"{moment:%Y-%m-%d %H:%M} UTC: renew it"
    if left <= timedelta():
        return f"its {credential} ended at {at}"
    return (
        f"its {credential} ends in {left.total_seconds() / 3600:.1f} h, at {at}"
        if left < SOON
        else ""
    )


def _missing(rules: list[dict[str, Any]]) -> Iterable[str]:
    for group, resource, verbs in NEEDED:
        lacking = [verb for verb in verbs if not _may(rules, group, resource, verb)]
        if lacking:
            yield f"{'/'.join(lacking)} {resource}"


def _may(rules: list[dict[str, Any]], group: str, resource: str, verb: str) -> bool:
    return any(
        not rule.get("resourceNames")
        and {group, "*"} & set(rule.get("apiGroups") or ())
        and {resource, "*"} & set(rule.get("resources") or ())
        and {verb, "*"} & set(rule.get("verbs") or ())
        for rule in rules
    )
