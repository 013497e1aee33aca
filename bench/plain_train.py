"""What a data scientist's script does, by the libraries' quickstarts: the yardstick for ``train_flight_delay``.

Read CSV files, validate with Great Expectations, fit with scikit-learn, log the model to MLflow with an example and
inferred requirements, register it, and draw an Evidently drift report. The rows, the features and the estimator are
those of the demo's model; nothing is published exactly once, compared with a champion or verified.

Usage: ``python -m bench.plain_train CSV MLFLOW_URI`` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path


def main(csv: Path, mlflow_uri: str) -> dict[str, float]:
    """Run the script; returns its seconds, in all and by part."""
    # What `airloop up` sets, too: a server that phones home would be measured otherwise.
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GX_ANALYTICS_ENABLED": "false"}
    os.environ["DO_NOT_TRACK"] = "1"
    start = time.perf_counter()
    parts: dict[str, float] = {}

    import pandas as pd

    frame = pd.read_csv(csv, parse_dates=["flight_date", "time_hour"])
    parts["read"] = time.perf_counter() - start
    validate(frame)
    parts["validate"] = time.perf_counter() - start
    model, train, test = fit(frame)
    parts["fit"] = time.perf_counter() - start
    log(model, train, test, mlflow_uri)
    parts["log_model"] = time.perf_counter() - start
    report(train, test)
    parts["report"] = time.perf_counter() - start
    return {"seconds": time.perf_counter() - start, **parts}


def validate(frame):  # type: ignore[no-untyped-def]
    """Great Expectations' quickstart, with the demo's expectations."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("flights")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(
        name="flights",
        expectations=[
            gxe.ExpectColumnValuesToNotBeNull(column="carrier"),
            gxe.ExpectColumnValuesToBeUnique(column="flight_id"),
            gxe.ExpectColumnValuesToBeInSet(column="origin", value_set=["EWR", "JFK", "LGA"]),
            gxe.ExpectColumnValuesToBeBetween(column="distance", min_value=10, max_value=6000),
            gxe.ExpectColumnValuesToBeBetween(
                column="sched_dep_minute", min_value=0, max_value=1439
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="sched_arr_minute", min_value=0, max_value=1440
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="temp", mostly=0.5),
            gxe.ExpectColumnValuesToBeBetween(column="temp", min_value=-30, max_value=120),
        ],
    )
    if not batch.validate(suite).success:
        raise SystemExit("the data is not valid")


def fit(frame):  # type: ignore[no-untyped-def]
    """The demo's features and estimator, the last ten days held out."""
    from sklearn.metrics import roc_auc_score

    from flights import flight_delay

    frame = frame[frame["arr_delay"].notna()]
    cut = sorted(frame["flight_date"].unique())[-10]
    parts = (frame[frame["flight_date"] < cut], frame[frame["flight_date"] >= cut])
    (train, truth), (test, later) = [
        (flight_delay.features(part), flight_delay.label(part).astype(int)) for part in parts
    ]
    model = flight_delay.build(
        {"max_iter": 150, "learning_rate": 0.08, "max_leaf_nodes": 31, "random_state": 7}
    )
    model.fit(train, truth)
    print("AUC", roc_auc_score(later, model.predict_proba(test)[:, 1]), file=sys.stderr)
    return model, train, test


def log(model, train, test, uri: str) -> None:  # type: ignore[no-untyped-def]
    """MLflow's quickstart: autodetected signature and requirements, an example, a registered version."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("plain")
    with mlflow.start_run():
        mlflow.log_params(model.get_params(deep=False))
        mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=train.head(5),
            registered_model_name="plain_flight_delay",
            # Without it MLflow 3.17 refuses boosted trees.
            skops_trusted_types=[
                "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
            ],
        )


def report(train, test) -> None:  # type: ignore[no-untyped-def]
    """Evidently's quickstart: the drift preset, as a page."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    result = Report([DataDriftPreset()]).run(test, train)
    with tempfile.TemporaryDirectory() as folder:
        result.save_html(str(Path(folder) / "drift.html"))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
