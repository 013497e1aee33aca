"""The assets by which the DAGs wake each other. An event is only the wake-up; the ledger decides.

Their URIs begin with ``x-``, Airflow's prefix for schemes that no provider knows: for any other it asks all
providers, which imports boto3 in every task, a quarter of a CPU-second each time.
"""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias


def dataset_asset(dataset: str) -> Asset:
    """A dataset; its events carry the partition as their partition key."""
    return Asset(name=f"{dataset}", uri=f"x-airloop://datasets/{dataset}", group="airloop")


def retrain_asset(model: str) -> Asset:
    """There is a reason to train the model."""
    return Asset(
        name=f"{model}_retrain", uri=f"x-airloop://models/{model}/retrain", group="airloop"
    )


def retrain_alias(model: str) -> AssetAlias:
    """What the monitor declares: an alias emits only when told to, an asset at every success."""
    return AssetAlias(name=f"{model}_retrain_if_needed", group="airloop")


def candidate_asset(model: str) -> Asset:
    """A version that passed its gates was registered; ``extra`` holds its number."""
    return Asset(
        name=f"{model}_candidate", uri=f"x-airloop://models/{model}/candidate", group="airloop"
    )


def production_asset(model: str) -> Asset:
    """A version went into service; ``extra`` holds its number."""
    return Asset(
        name=f"{model}_production", uri=f"x-airloop://models/{model}/production", group="airloop"
    )
