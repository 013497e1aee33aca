"""Airloop in Airflow's own interface: a page in the navigation, and the links on the tasks."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airloop_operators.links import (
    DataDocsLink,
    DriftReportLink,
    MlflowRunLink,
    ServiceLink,
    TrainingRunLink,
)


class AirloopPlugin(AirflowPlugin):
    """The registration; the page itself lives in ``airloop_operators.ui``."""

    name = "airloop"
    operator_extra_links = [
        DataDocsLink(),
        DriftReportLink(),
        MlflowRunLink(),
        ServiceLink(),
        TrainingRunLink(),
    ]
    external_views = [
        {
            "name": "Airloop",
            "href": "/airloop/",
            "destination": "nav",
            "url_route": "airloop",
            "nav_top_level": True,
            "icon": "/airloop/icon.svg",
            "icon_dark_mode": "/airloop/icon-dark.svg",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """Built when the API server asks: every task loads this file too, and needs no web framework."""
        from airloop_operators.ui.app import create_app

        return [{"name": "airloop", "app": create_app(), "url_prefix": "/airloop"}]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:
        """A run whose ``conf`` its tasks would refuse is refused before it begins."""
        from airloop_operators.ui.conf import ConfMiddleware

        return [{"name": "airloop-conf", "middleware": ConfMiddleware}]
