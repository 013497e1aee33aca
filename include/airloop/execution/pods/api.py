"""Pods through the Kubernetes API, with answers that are late, lost, refused or given twice."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kubernetes import client as kube
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from airloop.errors import AirloopError, PermanentError, TransientError, UnreachableError
from airloop.execution.pods.verdicts import excerpt_of
from airloop.specs.sections.templates import CONTAINER

T = TypeVar("T")

#: How the API server says that a right is missing, unlike an admission that refuses a pod.
_NO_RIGHT = re.compile(r"cannot (create|get|list|watch|patch|delete) resource")
#: Answers after which the same call may be made again.
_AGAIN = (429, 500, 502, 503, 504)


class PodApi:
    """The pods of one namespace.

    :param client: gives the API's client; called for each request, since a token may be renewed
    :param where: how messages name the cluster
    :param renew: forgets the client, so that connection and token are read anew
    """

    #: How messages name what is created and removed.
    kind = "pod"
    #: Seconds between the tries of one call.
    pauses: tuple[float, ...] = (0.5, 1, 2, 4, 8)
    #: Seconds one call may take.
    timeout = 30.0
    #: Seconds a deleted pod may take to be gone: its own grace period, and the node's delay.
    patience = 180.0

    def __init__(
        self,
        client: Callable[[], Any],
        namespace: str,
        where: str,
        renew: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self.namespace, self.where, self._renew = client, namespace, where, renew

    def find(self, name: str) -> Any | None:
        """The pod of that name as the API server itself has it; None where there is none."""
        try:
            return self._call(lambda: self._read(name), again=(*_AGAIN, 409))
        except NotFoundError:
            return None

    def create(self, pod: Any, ours: Callable[[Any], bool]) -> Any:
        """Create ``pod``, and converge where an earlier call of this attempt did although its answer was lost.

        :param ours: whether a pod of the same name is this attempt's
        """
        name = pod.metadata.name
        for _ in self.pauses:
            try:
                return self._call(lambda: self._create(pod))
            except ConflictError:
                there = self.find(name)
                if there is not None and ours(there):
                    return there
                if there is not None:
                    self.remove(there, wait=True)
        raise TransientError(
            f"the name of the {self.kind} stays taken", value=name, where=self.where
        )

    def remove(self, pod: Any, *, wait: bool = False) -> None:
        """Delete this very pod, never a newer one of its name.

        :param wait: until it is gone: only then may another begin
        :raises TransientError: if it is still there when patience ends
        """
        name, uid = pod.metadata.name, pod.metadata.uid
        options = kube.V1DeleteOptions(preconditions=kube.V1Preconditions(uid=uid))
        for _ in self.pauses:
            try:
                self._call(lambda: self._delete(name, options))
                break
            except NotFoundError:
                return
            except (
                ConflictError
            ):  # another pod has the name by now, or the server was busy with this one
                there = self.find(name)
                if there is None or there.metadata.uid != uid:
                    return
        until = time.monotonic() + self.patience
        while wait:
            there = self.find(name)
            if there is None or there.metadata.uid != uid:
                return
            if time.monotonic() > until:
                raise TransientError(
                    f"the {self.kind} of an earlier try does not end, and two must not run at once",
                    value=name,
                    where=self.where,
                    remedy="see its node; kubectl delete pod --force only if the node is dead",
                )
            time.sleep(min(1.0, self.pauses[0]))

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the cluster noted of a pod, oldest first."""
        found = self._call(
            lambda: self._client().list_namespaced_event(
                self.namespace,
                field_selector=f"involvedObject.name={name}",
                _request_timeout=self.timeout,
            )
        )
        return [self.plain(event) for event in found.items]

    def tail(self, name: str, lines: int = 20) -> list[str]:
        """The last lines of the step's log."""
        # Read by hand: the client would make `str(bytes)` of it.
        answer = self._call(
            lambda: self._client().read_namespaced_pod_log(
                name,
                self.namespace,
                container=CONTAINER,
                tail_lines=lines,
                _preload_content=False,
                _request_timeout=self.timeout,
            )
        )
        with self.translate_errors():
            text: str = answer.data.decode("utf-8", "replace")
        return text.splitlines()

    @staticmethod
    def plain(item: Any) -> dict[str, Any]:
        """An object of the client as the JSON that the API speaks."""
        found: dict[str, Any] = kube.ApiClient().sanitize_for_serialization(item)
        return found

    def _read(self, name: str) -> Any:
        return self._client().read_namespaced_pod(
            name, self.namespace, _request_timeout=self.timeout
        )

    def _create(self, pod: Any) -> Any:
        return self._client().create_namespaced_pod(
            self.namespace, pod, _request_timeout=self.timeout
        )

    def _delete(self, name: str, options: Any) -> None:
        self._client().delete_namespaced_pod(
            name, self.namespace, body=options, _request_timeout=self.timeout
        )

    def _call(self, call: Callable[[], T], again: tuple[int, ...] = _AGAIN) -> T:
        renewed = False
        for pause in self.pauses[:-1]:
            try:
                return call()
            except ApiException as error:
                if error.status == 401 and not renewed:
                    renewed = True
                    self._renew()
                    continue
                if error.status not in again:
                    raise self._told(error) from None
            except HTTPError:  # no answer: what was asked may have happened all the same
                pass
            time.sleep(pause)
        with self.translate_errors():
            return call()

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """The client's errors in Airloop's words."""
        try:
            yield
        except ApiException as error:
            raise self._told(error) from None
        except (HTTPError, ConfigException, OSError) as error:
            raise UnreachableError(
                "the Kubernetes API does not answer",
                value=" ".join(str(getattr(error, "reason", None) or error).split())[:150],
                where=self.where,
                remedy="see that the cluster is up and the connection's address is right",
            ) from None

    def _told(self, error: ApiException) -> AirloopError:
        said = _message(error)
        if error.status == 404:
            return NotFoundError(said, where=self.where)
        if error.status == 409:
            return ConflictError(said, where=self.where)
        if error.status == 401:
            return RefusedError(
                "the cluster refuses the credentials (401): the token is wrong or has expired",
                where=self.where,
                remedy="renew the token in the connection or its kubeconfig",
            )
        if error.status == 403 and _NO_RIGHT.search(said):
            return RefusedError(
                f"the cluster refuses the right (403): {said}",
                where=self.where,
                remedy="apply config/kubernetes/rbac.yaml",
            )
        if error.status == 403 and "exceeded quota" in said:
            return TransientError(
                f"the namespace's quota is used up: {said}",
                where=self.where,
                remedy="wait for other pods to end, or raise the ResourceQuota",
            )
        if error.status in (400, 403, 422):
            return PermanentError(
                f"the namespace forbids the pod ({error.status}): {said}",
                where=self.where,
                remedy="change what the message names, in the pod template or in the namespace",
            )
        return UnreachableError(
            f"the Kubernetes API fails ({error.status}): {said}", where=self.where
        )


class RefusedError(UnreachableError):
    """The credentials or their rights do not suffice now; both may be back in a minute."""


class NotFoundError(PermanentError):
    """There is no such object."""


class ConflictError(PermanentError):
    """There is one already, or it is not the one that was meant."""


def _message(error: ApiException) -> str:
    try:
        text = json.loads(error.body)["message"]
    except (ValueError, KeyError, TypeError):
        text = error.reason
    return excerpt_of(text)
