"""The list of expectations is the installed library's own."""

from airloop.specs.sections.expectations import COMMON, NOT_OFFERED, names, signature

#: What Great Expectations keeps for itself, or Airloop sets.
OURS = {
    "batch_id",
    "catch_exceptions",
    "description",
    "id",
    "library_metadata",
    "meta",
    "notes",
    "rendered_content",
    "result_format",
    "severity",
    "user_parameters",
    "windows",
}


def test_names_and_arguments_are_those_of_great_expectations():
    import great_expectations.expectations  # noqa: F401 (registers them)
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    theirs = set(list_registered_expectation_implementations()) - NOT_OFFERED
    assert set(names()) == theirs
    for name in theirs:
        fields = get_expectation_impl(name).__fields__
        required = {key for key, field in fields.items() if field.required}
        ours = signature(name)
        assert ours is not None
        assert ours.required == required, name
        assert ours.optional == set(fields) - required - COMMON - OURS, name


def test_an_unknown_name_has_no_signature():
    assert signature("expect_the_unexpected") is None
