"""What an MLflow run says of the training that it holds."""

from __future__ import annotations

from collections.abc import Mapping

from airloop.contracts import DatasetRef, Digest
from airloop.registry import lineage
from airloop.specs.model import ModelSpec


def params(model: ModelSpec, fitted: Mapping[str, object]) -> dict[str, object]:
    """What it was fitted with, and how the snapshot was cut."""
    fields = model.training.model_dump(
        include={"trainer", "build", "window_days", "holdout_days", "seed"}
    )
    return {**{f"training.{name}": value for name, value in fields.items()}, **fitted}


def tags(model: ModelSpec, dataset: DatasetRef, digest: Digest, onnx: str) -> dict[str, str]:
    """What it was made from."""
    return {
        "airloop.model": model.name,
        "airloop.dataset": dataset.model_dump_json(),
        "airloop.artifact_digest": digest,
        "airloop.lock_digest": lineage.lock_digest() or "",
        "airloop.onnx": onnx,
        "mlflow.source.git.commit": lineage.git_revision() or "",
    }
