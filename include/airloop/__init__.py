"""Everything Airloop knows, as plain Python: nothing in here imports Airflow."""

__all__ = ["__version__"]

#: Also the version of the distribution: pyproject.toml takes it from here.
__version__ = "0.2.0"
