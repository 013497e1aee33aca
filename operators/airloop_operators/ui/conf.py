"""Airflow's API, asked to begin a run: one whose ``conf`` its tasks would refuse is not begun.

Airflow takes any key, so that a typo (``untill``) would fail minutes later in a task, or, where the field has a default,
do something else than was asked for. It takes a date in the future too: such a run waits for it, and no other runs.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airloop.contracts import Contract
from airloop.errors import AirloopError, RequestError
from airloop.specs.catalog import load_catalog
from airloop.specs.chores import CHORES
from airloop.specs.requests import CONFS, IngestConf, parse_conf
from airloop.specs.spans import check_partition

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: A run of a DAG, and a backfill, whose body names its DAG; the interface's forms post to the same two.
_RUN = re.compile(r"/api/v2/dags/([a-z][a-z0-9_]*)/dagRuns/?\Z")
_BACKFILL = re.compile(r"/api/v2/backfills(?:/dry_run)?/?\Z")
#: A run of whichever DAG makes an asset.
_ASSET = re.compile(r"/api/v2/assets/(\d{1,18})/materialize/?\Z")
#: What is asked of a run fits into a fraction of it.
_MAX_BYTES: Final = 1_000_000
#: By how much the clock of who asks may be ahead.
_SKEW: Final = timedelta(minutes=5)


class ConfMiddleware:
    """ASGI middleware of Airflow's API server: a run asked of one of Airloop's DAGs, checked as its tasks would."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it in the shape of Airflow's own errors."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _signed_in(scope):
            await self._app(scope, receive, send)
            return
        backfill, dag = _BACKFILL.search(scope["path"]), await _dag(scope["path"])
        if not backfill and _conf_of(dag) is None:
            await self._app(scope, receive, send)
            return
        messages, body = await _read(receive)
        if body is None:
            await _answer(
                send, 413, f"the request is refused: it is longer than {_MAX_BYTES} bytes"
            )
            return
        if refusal := _refusal(None if backfill else dag, body):
            await _answer(send, 422, refusal)
            return

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)


def _signed_in(scope: Scope) -> bool:
    """Whether the caller shows anything: who does not is Airflow's to turn away."""
    return bool({b"authorization", b"cookie"} & {name for name, _ in scope["headers"]})


async def _read(receive: Receive) -> tuple[list[Message], bytes | None]:
    """The messages, to be passed on, and their body; of one that is too long nothing is kept, but all is read.

    An answer before the end of the request would be lost: the server closes, while the other side still sends.
    """
    messages: list[Message] = []
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size <= _MAX_BYTES:
            messages.append(message)
    if size > _MAX_BYTES:
        return [], None
    return messages, b"".join(message.get("body", b"") for message in messages)


async def _dag(path: str) -> str:
    """The DAG of which a run is asked; empty where the path asks for none, or leaves it to the body."""
    if run := _RUN.search(path):
        return run[1]
    asset = _ASSET.search(path)
    return await asyncio.to_thread(_maker, int(asset[1])) if asset else ""


def _maker(asset: int) -> str:
    """The one DAG that makes an asset, as Airflow looks for it; empty where there is no one."""
    from airflow.models.asset import TaskOutletAssetReference
    from airflow.utils.session import create_session
    from sqlalchemy import select

    column = TaskOutletAssetReference.dag_id
    asked = select(column).where(TaskOutletAssetReference.asset_id == asset).distinct().limit(2)
    with create_session(scoped=False) as session:
        found = session.scalars(asked).all()
    return found[0] if len(found) == 1 else ""


def _conf_of(dag: str) -> type[Contract] | None:
    """What a run of one of Airloop's DAGs may be asked; None of any other."""
    if dag in CHORES:
        return CHORES[dag]
    kind, _, name = dag.partition("_")
    if kind not in CONFS:
        return None
    try:
        catalog = load_catalog()
        names = catalog.dataset_names() if kind == "ingest" else catalog.model_names()
    except AirloopError:
        return None  # no project here
    return CONFS[kind] if name in names else None


def _refusal(dag: str | None, body: bytes) -> str:
    """Why this run is not begun; empty where it may be, or is not Airloop's to judge.

    :param dag: None for a backfill
    """
    try:
        asked = json.loads(body)
        if not isinstance(asked, dict):
            return ""
        named = str(asked.get("dag_id")) if dag is None else dag
        if (model := _conf_of(named)) is None:
            return ""
        conf = parse_conf(model, asked.get("conf" if dag else "dag_run_conf"))
        _check_dates(asked)
        kind, _, name = named.partition("_")
        _check_partitions(kind, name, conf)
    except RequestError as error:
        return str(error)
    except RecursionError:
        return "the request is refused: it nests too deep"
    except (AirloopError, ValueError):
        return ""  # a spec that is wrong, or no JSON: the task, or Airflow, says the rest
    return ""


def _check_partitions(kind: str, name: str, conf: Contract) -> None:
    """Refuse partitions that the dataset cannot have.

    :raises RequestError: naming the first of them
    """
    named = [getattr(conf, key, None) for key in ("partition", "start", "end", "until")]
    if not any(named):
        return
    catalog = load_catalog()
    dataset = catalog.dataset(name) if kind == "ingest" else catalog.pair(name)[1]
    if isinstance(conf, IngestConf):
        conf.partitions(dataset)
    if (until := getattr(conf, "until", None)) is not None:
        dataset.partition(until)
    for key in filter(None, named[:3]):
        check_partition(dataset, key, datetime.now(UTC))


def _check_dates(asked: Mapping[str, Any]) -> None:
    """Refuse a run of the future.

    :raises RequestError: naming the date
    """
    for key in ("logical_date", "data_interval_end", "run_after", "to_date"):
        text = asked.get(key)
        try:
            date = datetime.fromisoformat(str(text))
        except ValueError:
            continue  # null, or Airflow's to refuse
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        if date > datetime.now(UTC) + _SKEW:
            raise RequestError(
                f"{key} lies in the future: the run would wait for it and keep others from running",
                value=text,
                remedy=f"leave {key} empty",
            )


async def _answer(send: Send, status: int, refusal: str) -> None:
    content = json.dumps({"detail": refusal}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
