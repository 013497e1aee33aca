"""Airloop's DAGs, made from the project's specs. A project's DAG file holds one call: ``build()``."""

from __future__ import annotations

from airloop_dags.building import KINDS, build, each

__all__ = ["KINDS", "build", "each"]
