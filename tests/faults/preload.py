"""What every child would import: the server that children are forked from imports it once."""

import deltalake
import great_expectations
import mlflow
import pandas as pd
import pyarrow.parquet

import include.steps.ingest

__all__ = ["deltalake", "great_expectations", "include", "mlflow", "pd", "pyarrow"]
