"""For an Airflow that has only a plugins folder: registers what the installed wheel registers by its entry point.

Both together would register everything twice, which Airflow reports as an import error: where the wheel's entry
point is there, this file does nothing.
"""

from __future__ import annotations

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="airloop"):
    from airloop_operators.plugin import AirloopPlugin

    __all__ = ["AirloopPlugin"]
