"""What people write first: one script with the calls of the libraries' quickstarts, for the bench of training.

Reads the table whole, validates it by Great Expectations on pandas, fits, logs the model to MLflow with an input
example and inferred requirements, and has Evidently compare the held-out days with the rest.
``python -m bench.plain_training <lake> <mlflow uri> <report.html>``
"""

from __future__ import annotations

import sys
import warnings

import great_expectations as gx
import mlflow
import pandas as pd
from deltalake import DeltaTable
from evidently import Report
from evidently.presets import DataDriftPreset
from sklearn.metrics import roc_auc_score

from airloop.specs import load_catalog
from flights import flight_delay

HOLDOUT_DAYS = 10


def main(lake: str, mlflow_uri: str, report: str) -> None:
    """The whole script, top to bottom."""
    model = load_catalog().model("flight_delay")
    dataset = load_catalog().dataset("flights")
    frame = DeltaTable(f"{lake}/flights").to_pandas()
    frame["flight_date"] = pd.to_datetime(frame["flight_date"])

    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("flights").add_dataframe_asset("flights")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = context.suites.add(gx.ExpectationSuite("flights"))
    for one in dataset.expectations:
        words = "".join(word.capitalize() for word in one.expect.split("_"))
        arguments = dict(one.arguments)
        if words == "ExpectTableRowCountToBeBetween":
            arguments["max_value"] = 10_000_000
        suite.add_expectation(getattr(gx.expectations, words)(**arguments))
    batch.validate(suite)

    frame = frame[flight_delay.label(frame).notna()]
    days = sorted(frame["flight_date"].unique())
    held_out = frame["flight_date"].isin(days[-HOLDOUT_DAYS:])
    inputs = list(model.inputs)
    train, test = frame[~held_out], frame[held_out]
    pipeline = flight_delay.build(dict(model.training.params))
    features = flight_delay.features(train[inputs])
    pipeline.fit(features, flight_delay.label(train))
    test_features = flight_delay.features(test[inputs])
    auc = roc_auc_score(flight_delay.label(test), pipeline.predict_proba(test_features)[:, 1])

    mlflow.set_tracking_uri(mlflow_uri)
    mlflow.set_experiment("plain")
    with mlflow.start_run():
        mlflow.log_params(model.training.params)
        mlflow.log_metric("roc_auc", auc)
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            input_example=features.head(5),
            registered_model_name="plain",
            # MLflow's default, skops, refuses this estimator until its types are named.
            serialization_format="cloudpickle",
        )
    columns = [name for name in inputs if name != "flight_date"]
    snapshot = Report([DataDriftPreset()]).run(test[columns], train[columns])
    snapshot.save_html(report)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
