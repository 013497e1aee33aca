"""The engine of ``compute: ray``: parts of a step as tasks of a Ray cluster, or of one that lives as long as the step.

Ray tries a part again when its worker or its node dies. A worker gets the code that its node has, what all parts share, and one
part; whatever it may have besides stands in its own environment, never in what is sent.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import airloop
from airloop import paths
from airloop.errors import (
    AirloopError,
    MemoryLimitError,
    SpecError,
    TransientError,
)
from airloop.exchange.wire import describe, rebuild
from airloop.execution.engine import Engine, Found, Part, Shared
from airloop.execution.ray_address import WHERE, check_answer, silent

log = logging.getLogger("airloop.ray")

#: The address that means: a cluster of this machine, for this step alone.
LOCAL = "local"
#: How often Ray gives a part to another worker when one dies.
RETRIES = 3
#: Parts that are on their way for each worker: one is computed while the next arrives.
AHEAD = 2
#: Seconds in which a cluster that answers must have let the step in.
JOIN_SECONDS = 60.0
#: How often a cluster of the step's own is begun: Ray gives it 30 s, which a busy machine may not have.
STARTS = 3
#: Bytes of memory in which a cluster of the step's own keeps what is on its way; more goes to the disk.
STORE_BYTES = 512 * 2**20
#: Ray's telemetry is off, and what the future will change of it needs no line in a step's log.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
#: A cluster of the step's own listens on the loopback alone: so Ray does where it cannot have other machines.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of the variable


class RayEngine(Engine):
    """Tasks of Ray.

    :param address: ``local``, ``host:6379`` of a cluster to which this machine belongs, or ``ray://host:10001``
    :param workers: parts that are computed at a time; None for one on each CPU of the cluster
    """

    def __init__(self, address: str = LOCAL, workers: int | None = None) -> None:
        self.address, self._workers = address, workers
        self._ray: ModuleType | None = None
        self._folder: str | None = None

    def spread(
        self, work: Callable[[Shared, Part], Found], shared: Shared, parts: Iterable[Part]
    ) -> Iterator[Found]:
        """A task a part; the cluster is joined, or begun, with the first one.

        :raises UnreachableError: if the cluster does not answer
        :raises SpecError: if its nodes have another Python, Ray or Airloop
        :raises TransientError: if it lost a part too often
        :raises MemoryLimitError: if a part needs more memory than a node has
        """
        ray = self._ray or self._begin()
        with self._told(ray):
            task = ray.remote(max_retries=RETRIES, num_cpus=1)(_compute)
            held = ray.put(ray.cloudpickle.dumps((work, shared)))
            waiting: deque[Any] = deque()
            for part in parts:
                if len(waiting) >= AHEAD * self._at_a_time(ray):
                    yield _opened(ray.get(waiting.popleft()))
                waiting.append(task.remote(airloop.__version__, held, part))
            while waiting:
                yield _opened(ray.get(waiting.popleft()))

    def close(self) -> None:
        """Leave the cluster; one of the step's own ends."""
        if self._ray is not None:
            self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._ray = self._folder = None

    def _at_a_time(self, ray: ModuleType) -> int:
        """How many parts are computed at once; a cluster may grow."""
        return self._workers or max(1, int(ray.cluster_resources().get("CPU", 1)))

    def _begin(self) -> ModuleType:
        os.environ.update(QUIET)
        local = self.address == LOCAL
        if local:
            os.environ.update(LOOPBACK)
            os.environ.setdefault(TOKEN, secrets.token_hex(32))
        try:
            if not local:
                check_answer(self.address)
            # Not before: it reads the variables as it is imported.
            import ray
        except ModuleNotFoundError as error:
            raise SpecError(
                "`compute: ray` needs Ray, which is not installed here",
                value=error.name,
                remedy="pip install 'airloop[ray]' where the steps run",
            ) from error
        found: ModuleType = ray  # said, for who checks types where Ray is not installed
        self._ray = found
        (self._begin_own if local else self._join)(found)
        log.info("Ray at %s: %d parts at a time", self.address, self._at_a_time(found))
        return found

    def _begin_own(self, ray: ModuleType) -> None:
        # Short, for sockets lie in it; and a folder above Ray's own, which that opens to everybody.
        self._folder = tempfile.mkdtemp(prefix="airloop-ray-", dir="/tmp")
        for left in reversed(range(STARTS)):
            try:
                ray.init(
                    address=LOCAL,
                    num_cpus=self._workers,
                    include_dashboard=False,
                    object_store_memory=STORE_BYTES,
                    logging_level=logging.ERROR,
                    _temp_dir=f"{self._folder}/ray",
                )
            except Exception as error:  # Ray has no kind of its own for it
                if not left:
                    what = f"a Ray of the step's own did not start in {STARTS} attempts"
                    why = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
                    raise TransientError(
                        what, value=why, remedy="is the machine too busy?"
                    ) from error
            else:
                return

    def _join(self, ray: ModuleType) -> None:
        joined: Future[None] = Future()

        def join() -> None:
            try:
                ray.init(address=self.address, logging_level=logging.ERROR)
                joined.set_result(None)
            except Exception as error:  # whatever it is, it is raised below
                joined.set_exception(error)

        # A daemon: one that hangs must not keep the step from ending.
        threading.Thread(target=join, daemon=True, name="ray-init").start()
        try:
            joined.result(JOIN_SECONDS)
        except (ConnectionError, TimeoutError) as error:
            raise silent(self.address, str(error) or type(error).__name__) from error
        except ray.exceptions.AuthenticationError as error:
            raise SpecError(
                "the Ray cluster does not take this step's token",
                value=self.address,
                where=WHERE,
                remedy=f"set RAY_AUTH_MODE=token and {TOKEN} (or RAY_AUTH_TOKEN_PATH) to the cluster's",
            ) from error
        except (RuntimeError, ValueError) as error:
            raise SpecError(
                f"the Ray cluster cannot be joined: {str(error).splitlines()[0][:300]}",
                value=self.address,
                where=WHERE,
                remedy="its nodes need the same Python and the same Ray as the step; from outside "
                "of the cluster the address is ray://<head>:10001",
            ) from error

    @contextmanager
    def _told(self, ray: ModuleType) -> Iterator[None]:
        """What Ray says of its tasks, as errors of a step."""
        try:
            yield
        except ray.exceptions.OutOfMemoryError as error:
            raise MemoryLimitError(
                "a part of the step needs more memory than a node of the Ray cluster has",
                value=str(error).splitlines()[0][:200],
                where=self.address,
                remedy="give its nodes more memory, or set compute.workers lower",
            ) from error
        except ray.exceptions.RayTaskError as error:
            # What the code itself raised is what it would have raised here.
            raise error.cause if isinstance(error.cause, Exception) else error from error
        except ray.exceptions.RayError as error:
            raise TransientError(
                f"the Ray cluster lost a part of the step {RETRIES + 1} times, or itself",
                value=f"{type(error).__name__}: {str(error).splitlines()[0][:200]}",
                where=self.address,
                remedy="the logs of its nodes say why",
            ) from error


@dataclass(frozen=True)
class _Refusal:
    """An error of Airloop's own, on its way back."""

    note: dict[str, Any]


def _opened(answer: Any) -> Any:
    if isinstance(answer, _Refusal):
        raise rebuild(answer.note)
    return answer


def _compute(version: str, held: bytes, part: Any) -> Any:
    """One part, on a worker; work and what it shares may be of modules that are not on its path before."""
    from ray import cloudpickle

    try:
        if airloop.__version__ != version:
            raise SpecError(
                f"a node of the Ray cluster has Airloop {airloop.__version__}, the step is {version}",
                remedy="let its nodes run the image of the steps",
            )
        if os.environ.get(paths.PROJECT):
            paths.put_on_path()
        work, shared = cloudpickle.loads(held)
        return work(shared, part)
    except AirloopError as error:
        return _Refusal(describe(error))
