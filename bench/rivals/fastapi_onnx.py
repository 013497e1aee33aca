"""The yardstick of serving: FastAPI and ONNX Runtime, as a good engineer would write it for one model.

A token, typed rows, answers only after the log lies on the disk (one fdatasync for all that wait), counters.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections import Counter
from contextlib import asynccontextmanager
from datetime import date
from math import cos, pi, sin
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

MODEL, TOKEN = Path(os.environ["BENCH_MODEL"]), os.environ["BENCH_TOKEN"]
TEXTS = {"carrier", "origin", "dest"}
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(MODEL.read_bytes(), options)
kinds = {
    one.name: object if one.name in TEXTS else np.float32 if one.type == "tensor(float)" else float
    for one in session.get_inputs()
}
output = session.get_outputs()[-1].name
log = os.open(os.environ["BENCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
waiting: list[tuple[bytes, asyncio.Future]] = []
wake, counters = asyncio.Event(), Counter()


class Flight(BaseModel):
    """One row, checked."""

    flight_id: str
    flight_date: date
    carrier: str
    origin: str
    dest: str
    distance: float
    sched_dep_minute: int
    sched_arr_minute: int
    plane_year: float | None
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_speed: float | None
    wind_gust: float | None
    precip: float | None
    pressure: float | None
    visib: float | None

    def features(self) -> dict[str, str | float | None]:
        """What the model was trained on."""
        minute = self.sched_dep_minute
        angle = minute * 2 * pi / 1440
        return self.__dict__ | {
            "weekday": self.flight_date.weekday(),
            "departure_minute": minute,
            "departure_sin": sin(angle),
            "departure_cos": cos(angle),
            "scheduled_minutes": (self.sched_arr_minute - minute) % 1440,
            "plane_age": self.plane_year and self.flight_date.year - self.plane_year,
        }


class Body(BaseModel):
    """A request."""

    rows: list[Flight]


def column(values: list, kind: type) -> np.ndarray:
    """An input; the model was trained on float32: a tree's threshold cuts a double elsewhere."""
    return np.array(values, object) if kind is object else np.array(values, np.float32).astype(kind)


async def write() -> None:
    """One fdatasync for all that wait."""
    while await wake.wait():
        wake.clear()
        batch = waiting[:]
        waiting.clear()
        os.write(log, b"".join(line for line, _ in batch))
        await asyncio.to_thread(os.fdatasync, log)
        for _, done in batch:
            done.set_result(None)


@asynccontextmanager
async def lifespan(_: FastAPI):
    writer = asyncio.create_task(write())
    yield
    writer.cancel()


async def signed_in(authorization: str = Header("")) -> None:
    if not hmac.compare_digest(authorization.encode(), f"Bearer {TOKEN}".encode()):
        raise HTTPException(401)


app = FastAPI(lifespan=lifespan)


@app.post("/predict", dependencies=[Depends(signed_in)])
async def predict(body: Body) -> Response:
    began, rows = time.perf_counter(), [row.features() for row in body.rows]
    feed = {name: column([[row[name]] for row in rows], kind) for name, kind in kinds.items()}
    scores = session.run([output], feed)[0][:, -1].tolist()
    line = {"at": time.time(), "rows": [row.__dict__ for row in body.rows], "scores": scores}
    done = asyncio.get_running_loop().create_future()
    waiting.append((orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE), done))
    wake.set()
    await done
    counters.update(requests=1, rows=len(rows), seconds=time.perf_counter() - began)
    return Response(orjson.dumps({"predictions": scores}), media_type="application/json")


@app.get("/metrics")
async def metrics() -> dict[str, float]:
    return dict(counters)
