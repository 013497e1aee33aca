"""What `dag_run.conf` may hold, and what it must not."""

import json
import re
from datetime import UTC, datetime

import jsonschema
import pytest

from airloop.errors import RequestError
from airloop.partition import Cadence
from airloop.specs.forms import form_fields
from airloop.specs.requests import (
    DeployConf,
    IngestConf,
    MonitorConf,
    ScoreConf,
    TrainConf,
    parse_conf,
)
from airloop.testing.specs import toy_dataset


def asked(cadence="day", **conf):
    dataset = toy_dataset().model_copy(update={"cadence": Cadence(cadence)})
    return parse_conf(IngestConf, conf).partitions(dataset)


ALL = [IngestConf, TrainConf, DeployConf, MonitorConf, ScoreConf]
HOSTILE = ["2013-01-05\n", "../etc/passwd", "", " ", "2013-1-5", "٢٠١٣-٠١-٠٥", "{{ conf }}", "a\0b"]


@pytest.mark.parametrize("model", ALL)
def test_a_run_may_leave_everything_out(model):
    assert parse_conf(model, None) == parse_conf(model, {}) == model()


@pytest.mark.parametrize("model", ALL)
def test_an_unknown_key_is_refused_by_its_name(model):
    with pytest.raises(RequestError, match=r"unknown key.*'imgae'"):
        parse_conf(model, {"imgae": "x"})


def test_a_misspelt_key_gets_the_right_one_suggested():
    with pytest.raises(RequestError, match="did you mean 'partition'"):
        parse_conf(MonitorConf, {"partiton": "2013-01-05"})


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("model", "key"),
    [
        (IngestConf, "partition"),
        (MonitorConf, "partition"),
        (ScoreConf, "partition"),
        (TrainConf, "until"),
    ],
)
def test_what_is_not_exactly_a_day_is_refused(model, key, value):
    with pytest.raises(RequestError, match=f"key {key}") as caught:
        parse_conf(model, {key: value})
    assert caught.value.value == value
    assert "YYYY-MM-DD" in caught.value.remedy


@pytest.mark.parametrize("day", ["2013-02-29", "2013-13-01", "0000-01-01", "2013-04-31"])
def test_a_day_that_never_was_is_refused(day):
    with pytest.raises(RequestError, match="no such day"):
        parse_conf(ScoreConf, {"partition": day})


def test_a_leap_day_is_a_day():
    assert parse_conf(ScoreConf, {"partition": "2012-02-29"}).partition == "2012-02-29"


@pytest.mark.parametrize("version", [True, "3", 3.0, 0, -1, float("nan"), [1]])
def test_a_version_is_a_positive_whole_number(version):
    with pytest.raises(RequestError, match="key version"):
        parse_conf(DeployConf, {"version": version})


def test_a_range_names_each_of_its_days_once():
    assert asked(start="2012-02-27", end="2012-03-01") == (
        "2012-02-27",
        "2012-02-28",
        "2012-02-29",
        "2012-03-01",
    )
    assert asked(partition="2013-01-05") == ("2013-01-05",)
    assert asked() == ()


def test_a_range_may_run_backwards_and_over_years():
    assert asked(start="2012-03-01", end="2012-02-28") == ("2012-03-01", "2012-02-29", "2012-02-28")
    assert len(asked(start="2003-01-01", end="2013-01-01")) == 3654


@pytest.mark.parametrize(
    ("cadence", "start", "end", "count"),
    [
        ("hour", "2013-03-31T0000Z", "2013-04-01T0000Z", 25),
        ("week", "2012-W52", "2013-W02", 3),
        ("month", "2012-11", "2013-02", 4),
    ],
)
def test_a_range_of_any_cadence(cadence, start, end, count):
    assert len(asked(cadence, start=start, end=end)) == count


def test_a_range_of_deliveries_and_one_without_end_are_refused():
    with pytest.raises(RequestError, match="have no range"):
        asked("snapshot", start="2013-01-01T0600Z", end="2013-01-02T0600Z")
    with pytest.raises(RequestError, match="more than 100000 partitions"):
        asked("hour", start="2000-01-01T0000Z", end="2013-01-02T0600Z")


def test_a_partition_of_another_cadence_is_refused():
    with pytest.raises(RequestError, match="a week is written YYYY-Www") as caught:
        asked("week", partition="2013-01-05")
    assert "cadence: week" in caught.value.where


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"start": "2013-01-01"}, "belong together"),
        ({"end": "2013-01-01"}, "belong together"),
        ({"start": "2013-01-02", "end": "2013-W05"}, "different cadences"),
        ({"partition": "2013-01-01", "start": "2013-01-01", "end": "2013-01-02"}, "not all"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(conf, said):
    with pytest.raises(RequestError, match=said):
        parse_conf(IngestConf, conf)


@pytest.mark.parametrize(
    "value", [float("inf"), float("nan"), [float("-inf")], {"a": float("nan")}]
)
def test_a_parameter_that_is_no_number_is_refused(value):
    with pytest.raises(RequestError, match="finite"):
        parse_conf(TrainConf, {"params": {"learning_rate": value}})


@pytest.mark.parametrize("value", ["x" * 1_001, ["x" * 20_000_000]])
def test_a_parameter_without_end_is_refused(value):
    with pytest.raises(RequestError, match="longer than 1000 characters"):
        parse_conf(TrainConf, {"params": {"note": value}})


def test_parameters_that_nest_without_end_are_refused():
    nested = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(RequestError, match="nested deeper"):
        parse_conf(TrainConf, {"params": {"a": nested}})


@pytest.mark.parametrize("reason", ["a\nb", "a\x1b[2J", "", "x" * 501, 7])
def test_a_reason_is_one_line(reason):
    with pytest.raises(RequestError, match="key reason"):
        parse_conf(TrainConf, {"reason": reason})


@pytest.mark.parametrize("conf", [[], "partition", 3])
def test_a_conf_that_is_no_mapping_is_refused(conf):
    with pytest.raises(RequestError, match="must be a mapping"):
        parse_conf(IngestConf, conf)


@pytest.mark.parametrize("model", ALL)
def test_the_form_takes_a_run_that_leaves_everything_out(model):
    fields = form_fields(model)
    assert set(fields) == set(model.model_fields)
    for field in fields.values():
        assert field["default"] is None
        assert "null" in field["type"]
        assert field["title"]
        assert field["description"]


@pytest.mark.parametrize("value", ["2013-01-05\n", "../x", "2013-02-30"])
def test_the_form_refuses_what_the_model_refuses(value):
    field = form_fields(MonitorConf)["partition"]
    schema = {key: field[key] for key in ("type", "pattern", "format")}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ('{"max_iter": 1e999}', False),
        ('{"max_iter": -1e999}', False),
        ('{"note": "%s"}' % ("x" * 1_001), False),
        (json.dumps({f"p{number}": 1 for number in range(101)}), False),
        ('{"max_iter": 10, "learning_rate": 1e-3, "loss": "log_loss", "max_depth": null}', True),
    ],
    ids=["1e999", "-1e999", "long", "many", "good"],
)
def test_the_form_refuses_parameters_without_bound(text, ok):
    schema = {"type": "object", "properties": form_fields(TrainConf)}
    asked = {"params": json.loads(text)}
    assert jsonschema.Draft202012Validator(schema).is_valid(asked) is ok


def test_no_pattern_ends_with_a_dollar():
    for model in ALL:
        for field in form_fields(model).values():
            if pattern := field.get("pattern"):
                assert pattern.startswith(r"\A")
                assert pattern.endswith(r"\Z")
                re.compile(pattern)


def test_a_required_key_has_no_default_and_an_enum_is_listed():
    from enum import StrEnum
    from typing import Literal

    from airloop.contracts import Contract

    class Colour(StrEnum):
        RED = "red"
        BLUE = "blue"

    class Conf(Contract):
        name: str
        colour: Colour = Colour.RED
        shade: Literal["light", "dark"] | None = None

    fields = form_fields(Conf)
    assert "default" not in fields["name"]
    assert fields["colour"]["enum"] == ["red", "blue"]
    assert fields["colour"]["default"] == "red"
    assert fields["shade"]["enum"] == ["light", "dark", None]


@pytest.mark.parametrize("said", ["2013-03-01T12:00:00", "2013-03-01", "yesterday", 1362139200])
def test_a_moment_without_its_offset_is_refused(said):
    with pytest.raises(RequestError, match="such as 2013-03-01T12:00:00Z"):
        parse_conf(TrainConf, {"as_of": said})


def test_a_moment_is_an_instant():
    asked = parse_conf(TrainConf, {"as_of": "2013-03-01T13:00:00+01:00"}).as_of
    assert asked == datetime(2013, 3, 1, 12, tzinfo=UTC)
