"""A model's own code: what of a project travels with a version, and how it runs beside other versions' code."""
