"""What users write, as pydantic models: the same ones feed `airloop check`, the trigger forms and the code."""

from airloop.specs.catalog import Catalog, load_catalog
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

__all__ = ["Catalog", "DatasetSpec", "ModelSpec", "load_catalog"]
