"""What users write, as pydantic models: the same ones feed `airloop check`, the trigger forms and the code."""

from include.specs.catalog import Catalog, load_catalog
from include.specs.dataset import DatasetSpec
from include.specs.model import ModelSpec

__all__ = ["Catalog", "DatasetSpec", "ModelSpec", "load_catalog"]
