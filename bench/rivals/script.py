"""What a good engineer's training script does, without a loop around it: the yardstick of `train_flight_delay`.

Read the window from the lake, fit, judge on the held-out days (in all, by slice, against the baseline, with an interval
by days), convert to ONNX and compare its answers, log model and metrics to MLflow, register the version.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import skl2onnx
import skops.io
from deltalake import DeltaTable
from mlflow.models import infer_signature
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from airloop.specs import load_catalog
from airloop.training.trainers.scikit_graph import OPSET, _plain_integers
from bench.sides import timed
from flights import flight_delay

RESAMPLES = 200
#: Answers of two runtimes may differ so much.
SAME = 1e-5


def timed_main(lake: str, mlflow_uri: str, until: str) -> dict[str, Any]:
    """Its cost, imports not included."""
    _, side = timed(lambda: main(lake, mlflow_uri, until))
    return side.shown()


def main(lake: str, mlflow_uri: str, until: str) -> float:
    """The whole script, top to bottom; returns the metric."""
    model = load_catalog().model("flight_delay")
    names = [*model.inputs, "arr_delay"]
    frame = DeltaTable(f"{lake}/flights").to_pandas(columns=names)
    frame["flight_date"] = pd.to_datetime(frame["flight_date"])
    frame = frame[flight_delay.label(frame).notna() & (frame["flight_date"] <= until)]
    days = np.sort(frame["flight_date"].unique())[-model.training.window_days :]
    held_out = frame["flight_date"].isin(days[-model.training.holdout_days :])
    train, test = frame[~held_out], frame[held_out].reset_index(drop=True)

    pipeline = flight_delay.build(dict(model.training.params))
    features = _features(train)
    pipeline.fit(features, flight_delay.label(train))
    asked = _features(test)
    truth, scores = flight_delay.label(test), pipeline.predict_proba(asked)[:, 1]
    metrics = _metrics(truth, scores) | {"baseline": float(truth.mean())}
    metrics |= _interval(test["flight_date"], truth, scores)
    for name in model.gates.slices or ():
        for value, rows in test.groupby(name).groups.items():
            if truth[rows].nunique() == 2:
                metrics[f"{name}.{value}.roc_auc"] = roc_auc_score(truth[rows], scores[rows])

    mlflow.set_tracking_uri(mlflow_uri)
    mlflow.set_experiment("script")
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        skops.io.dump(pipeline, folder / "model.skops")
        if (graph := _onnx(pipeline, asked, scores)) is not None:
            (folder / "model.onnx").write_bytes(graph)
        description = mlflow.models.Model(signature=infer_signature(train.head(5), scores[:5]))
        description.add_flavor("script", data="model.skops")
        description.save(folder / "MLmodel")
        mlflow.log_params(model.training.params)
        mlflow.log_metrics(metrics)
        mlflow.log_artifacts(scratch, "model")
        mlflow.register_model(f"runs:/{run.info.run_id}/model", "script")
    return metrics["roc_auc"]


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers in ONNX's own precision: a tree's threshold then cuts the same rows in both."""
    made = flight_delay.features(frame)
    numbers = [name for name in made.columns if name not in flight_delay.CATEGORIES]
    return made.astype(dict.fromkeys(numbers, np.float32))


def _metrics(truth: pd.Series, scores: np.ndarray) -> dict[str, float]:
    kinds = (roc_auc_score, average_precision_score, brier_score_loss, log_loss)
    return {kind.__name__.removesuffix("_score"): float(kind(truth, scores)) for kind in kinds}


def _interval(days: pd.Series, truth: pd.Series, scores: np.ndarray) -> dict[str, float]:
    """Days are drawn, not rows: those of one day share its weather."""
    random, rows = np.random.default_rng(7), list(days.groupby(days).indices.values())
    drawn = []
    for _ in range(RESAMPLES):
        picked = np.concatenate([rows[one] for one in random.integers(0, len(rows), len(rows))])
        drawn.append(roc_auc_score(truth.to_numpy()[picked], scores[picked]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"roc_auc.low": float(low), "roc_auc.high": float(high)}


def _onnx(pipeline: Any, asked: pd.DataFrame, scores: np.ndarray) -> bytes | None:
    """The graph, if ONNX Runtime answers every row as the estimator does: by double inputs, else by single ones."""
    texts = flight_delay.CATEGORIES
    for numeric, kind in ((DoubleTensorType, np.float64), (FloatTensorType, np.float32)):
        types = {
            name: (StringTensorType if name in texts else numeric)([None, 1])
            for name in asked.columns
        }
        # skl2onnx 1.20 does not convert the trees of scikit-learn 1.9 without this.
        with _plain_integers():
            graph = skl2onnx.convert_sklearn(
                pipeline,
                initial_types=list(types.items()),
                options={"zipmap": False},
                target_opset=OPSET,
            )
        content = bytes(graph.SerializeToString())
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        feed = {
            name: asked[name].to_numpy(object if name in texts else kind).reshape(-1, 1)
            for name in asked.columns
        }
        answers = session.run(["probabilities"], feed)[0][:, 1]
        if np.abs(answers - scores).max() <= SAME:
            return content
    return None
