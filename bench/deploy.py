"""A promotion with 40 models deployed against one with 2: what a model costs must not grow with the others.

A promotion is the ledger's row, the service's refresh and its confirmation; CPU is the service's and this process's.
All models are the same trees under other names, so each loads in the same time. At the end every model is asked a row.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from airloop.contracts import ArtifactRef, ModelVersion
from airloop.delivery.following import confirms
from airloop.ledger import Ledger, open_ledger
from airloop.registry import artifacts
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.settings import load_settings
from bench import serving_world as world
from bench.rivals import servers
from bench.sides import Side, cpu_seconds
from bench.specs import config_of

FEW, MANY, PROMOTIONS = 2, 40, 6
TOKEN = "bench-token"


def measure(short: bool = False) -> dict[str, Any]:
    """CPU of a promotion among few and among many, and whether all models answer then."""
    counts = (1, 3) if short else (FEW, MANY)
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        home, port = Path(scratch), servers.free_port()
        os.environ |= {
            "AIRLOOP_HOME": scratch,
            "AIRLOOP_CONFIG": str(config_of(home / "config", max(counts))),
            "AIRLOOP__SERVING__TOKEN": TOKEN,
            "AIRLOOP__SERVING__URL": f"http://127.0.0.1:{port}",
        }
        load_settings.cache_clear()
        settings = load_settings()
        world.ingest(settings, [f"2013-01-0{day}" for day in range(2, 5)])
        first = world.train(settings, 1, max_iter=10)
        names = sorted(path.stem for path in (home / "config" / "models").glob("*.yaml"))
        versions = [first if name == first.model else named(first, name, home) for name in names]
        server = servers.Server(*service_command(settings, port), port, "/healthz", "", dict)
        with (
            servers.answering(server, home / "service.log") as (_, process),
            ServiceClient(settings) as client,
        ):
            ledger = open_ledger(settings)
            sides, there = {}, 0
            for count in counts:
                for version in versions[there:count]:
                    _promote(ledger, client, version)
                there = count
                sides[count] = _promotions(ledger, client, versions[0], process, short=short)
            row = world.request_rows(settings)[0]
            asked = [client.predict(one.model, [row]) for one in versions]
    few, many = (sides[count] for count in counts)
    return {
        "values": {
            "ratio": many.cpu / few.cpu,
            "served": sum(len(one.predictions) for one in asked) / len(versions),
        },
        "sides": {f"{count} models": sides[count].shown() for count in counts},
    }


def named(version: ModelVersion, name: str, home: Path) -> ModelVersion:
    """The same artifact under another model's name; what names no model is the same file, too."""
    folder = home / "store" / name
    shutil.copytree(home / "store" / "1", folder, copy_function=os.link)
    (folder / artifacts.MANIFEST).unlink()
    for file in (artifacts.SPEC, "reference.json"):
        known = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).unlink()
        if file == artifacts.SPEC:
            known["model"]["name"] = name
        else:
            known["model"] = name
        (folder / file).write_text(json.dumps(known), encoding="utf-8")
    digest = artifacts.write_manifest(folder, model=name, task="classification")
    ref = ArtifactRef(uri=folder.as_uri(), digest=digest)
    return version.model_copy(update={"model": name, "artifact": ref})


def _promotions(
    ledger: Ledger,
    client: ServiceClient,
    version: ModelVersion,
    process: psutil.Process,
    *,
    short: bool,
) -> Side:
    """The mean of some: the kernel counts a process's CPU in hundredths of a second."""
    rounds, walls = 1 if short else PROMOTIONS, []
    before = servers.used(process) + cpu_seconds()
    for number in range(rounds):
        began = time.perf_counter()
        _promote(ledger, client, version.model_copy(update={"version": 2 + number % 2}))
        walls.append(time.perf_counter() - began)
    cpu = servers.used(process) + cpu_seconds() - before
    return Side(statistics.median(walls), cpu / rounds)


def _promote(ledger: Ledger, client: ServiceClient, version: ModelVersion) -> None:
    world.deploy(load_settings(), version)
    deployed = ledger.current_deployment(version.model)
    state = client.refresh(version.model)
    if deployed is None or not confirms(state, deployed):
        raise RuntimeError(f"the service did not follow: {state}")
