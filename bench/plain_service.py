"""What people write first: the model behind FastAPI, one row a call, no log, no limits, no token."""

from __future__ import annotations

from typing import Any

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from airloop.ledger import open_ledger
from airloop.registry.loader import load
from airloop.settings import load_settings

settings = load_settings()
deployment = open_ledger(settings).current_deployment("flight_delay")
assert deployment is not None
model = load(deployment.artifact, settings)
app = FastAPI()


class Body(BaseModel):
    """A request, unchecked."""

    rows: list[dict[str, Any]]


@app.post("/predict")
def predict(body: Body) -> dict[str, list[float]]:
    return {"predictions": model.predict(pd.DataFrame(body.rows)).tolist()}
