"""What every child would import: the server that children are forked from imports it once.

MLflow's store is also used once, on a database that is thrown away: that configures its tables, which takes
a second, and leaves no thread behind.
"""

import tempfile

import deltalake
import great_expectations
import mlflow
import pandas as pd
import pyarrow.parquet

__all__ = ["deltalake", "great_expectations", "mlflow", "pd", "pyarrow"]

with tempfile.TemporaryDirectory() as folder:
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.MlflowClient(uri, uri).create_registered_model("warm")
