"""What a dataset's columns may be: one entry a type, which every room asks (:mod:`airloop.types.registry`)."""
