"""Where the parts of the embedded stack listen: chosen at `airloop up`, kept for the next one."""

from __future__ import annotations

import configparser
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import yaml

from airloop.devstack import ports
from airloop.devstack.layout import Layout
from airloop.devstack.ports import HOST, Promises
from airloop.settings import load_settings
from airloop.specs.yaml.document import read_yaml

#: The ports a person expects.
DEFAULT_PORTS = {"airflow": 8080, "execution": 8081, "mlflow": 5000, "serving": 3000}


@dataclass(frozen=True)
class Addresses:
    """Where the servers listen; ``execution`` is Airflow's API for its own tasks."""

    airflow: int
    execution: int
    mlflow: int
    serving: int

    def url(self, server: str) -> str:
        """One server's address."""
        return f"http://{HOST}:{getattr(self, server)}"


#: Before the first `up`.
NOWHERE = Addresses(airflow=0, execution=0, mlflow=0, serving=0)


def choose_addresses(
    layout: Layout, running: Collection[str], notice: Callable[[str], None], promises: Promises
) -> Addresses:
    """Keep the ports of what runs and those of the last time; replace what somebody else took.

    :param promises: to be kept until the servers listen
    """
    owner = {
        "airflow": "airflow-api",
        "execution": "airflow-execution",
        "mlflow": "mlflow",
        "serving": "serving",
    }
    known = known_addresses(layout)
    chosen: dict[str, int] = {}
    for server, usual in DEFAULT_PORTS.items():
        last = getattr(known, server) if known else usual
        if owner[server] in running:
            chosen[server] = last
            continue
        # The usual port is tried again each time: an address people know is worth more than an old one.
        port = ports.pick((usual, last), promises)
        if port != usual:
            by = ports.holder(usual) or "another process"
            notice(f"port {usual} is held by {by}: {server} uses {port} instead")
        chosen[server] = port
    return Addresses(**chosen)


def known_addresses(layout: Layout) -> Addresses | None:
    """The addresses of the last `up`, if there was one."""
    if not layout.runtime.exists():
        return None
    data = read_yaml(layout.runtime)
    urls = {
        "airflow": data.get("airflow_url"),
        "mlflow": data.get("mlflow_uri"),
        "serving": data.get("serving", {}).get("url"),
    }
    known = {name: int(str(url).rsplit(":", 1)[1]) for name, url in urls.items()}
    execution = _execution_port(layout) or DEFAULT_PORTS["execution"]
    return Addresses(execution=execution, **known)


def _execution_port(layout: Layout) -> int | None:
    """Where the tasks' API listened by the airflow.cfg of the last start."""
    parser = configparser.RawConfigParser()
    parser.read(layout.airflow / "airflow.cfg", encoding="utf-8")
    url = parser.get("core", "execution_api_server_url", fallback=None)
    return urlsplit(url).port if url else None


def write_addresses(layout: Layout, addresses: Addresses) -> None:
    """Put them where :func:`~airloop.settings.load_settings` finds them."""
    data = {
        "airflow_url": addresses.url("airflow"),
        "mlflow_uri": addresses.url("mlflow"),
        "serving": {"url": addresses.url("serving")},
    }
    head = "# Written by `airloop up`: the addresses in use.\n"
    fresh = layout.runtime.with_suffix(".new")
    fresh.write_text(head + yaml.safe_dump(data), encoding="utf-8")
    fresh.replace(layout.runtime)
    load_settings.cache_clear()
