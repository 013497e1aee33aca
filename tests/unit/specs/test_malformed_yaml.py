"""Whatever stands in a file, reading it gives plain data or one SpecError that names the file."""

import math
import resource
import time
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airloop.check.specs import check
from airloop.errors import SpecError
from airloop.specs.catalog import Catalog
from airloop.specs.yaml.document import read_document, read_yaml
from airloop.textfile import MAX_BYTES
from tests.support.checkout import ROOT

GOOD = (ROOT / "config" / "models" / "flight_delay.yaml").read_text()
BILLION_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(ord('b') + n)}: &{chr(ord('b') + n)} [*{chr(ord('a') + n)}, *{chr(ord('a') + n)}]\n"
    for n in range(20)
)
CORPUS = {
    "billion laughs": BILLION_LAUGHS,
    "alias to itself": "a: &a [*a]",
    "python object": "a: !!python/object/apply:os.system ['touch /tmp/ran']",
    "python name": "a: !!python/name:os.system",
    "own tag": "a: !secret x",
    "binary": "a: !!binary aGk=",
    "set": "a: !!set {x, y}",
    "tag directive": "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system",
    "NUL": "a: \0",
    "bell": "a: \a",
    "not UTF-8": b"a: \xff\xfe",
    "UTF-16": "a: 1".encode("utf-16"),
    "latin-1": "a: é".encode("latin-1"),
    "1e999": "a: 1e999",
    "minus 1e999": "a: -1e999",
    "infinity": "a: .inf",
    "nan": "a: .nan",
    "five thousand digits": "a: " + "9" * 5_000,
    "a float of five thousand digits": "a: 0." + "9" * 5_000,
    "duplicate key": "a: 1\na: 2",
    "duplicate key below": "a:\n  - {b: 1, b: 2}",
    "duplicate by quotes": "a: 1\n'a': 2",
    "duplicate by escape": 'a: 1\n"\\x61": 2',
    "list as key": "? [a, b]\n: 1",
    "mapping as key": "{a: 1}: 2",
    "two documents": "a: 1\n---\nb: 2",
    "a list": "- a",
    "a text": "just text",
    "a number": "7",
    "tab": "\ta: 1",
    "open bracket": "a: [1, 2",
    "open quote": 'a: "x',
    "bad escape": 'a: "\\q"',
    "lone surrogate": 'a: "\\ud800"',
    "colon": "a: b: c",
    "unknown directive": "%YAML 9.9\n---\na: 1",
    "ten thousand brackets": "a: " + "[" * 10_000,
    "ten thousand mappings": "{a: " * 10_000,
    "deep by indent": "".join(" " * n + "a:\n" for n in range(200)),
    "ten megabytes": "a: " + "x" * 10_000_000,
    "just over the limit": "a: " + "x" * MAX_BYTES,
}


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_each_malformed_file_is_one_clear_error(tmp_path, text):
    path = tmp_path / "spec.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = path.read_bytes()
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SpecError) as caught:
        read_yaml(path)
    assert str(path) in caught.value.where
    assert len(str(caught.value)) < 1_000
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000


@pytest.mark.parametrize("what", ["folder", "nothing", "unreadable"])
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path, what):
    path = tmp_path / "spec.yaml"
    if what == "folder":
        path.mkdir()
    elif what == "unreadable":
        path.symlink_to(path)
    with pytest.raises(SpecError, match="cannot be read"):
        read_yaml(path)


def load(tmp_path, text):
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    return read_yaml(path)


def test_booleans_and_numbers_are_those_of_yaml_1_2(tmp_path):
    text = "a: no\nb: on\nc: y\nd: true\ne: 06:30\nf: 0777\ng: 0o17\nh: 0x1F\ni: 1_000\nj: 1.5e3\nk: ~\nl: '1'"
    assert load(tmp_path, text) == {
        "a": "no",
        "b": "on",
        "c": "y",
        "d": True,
        "e": "06:30",
        "f": 777,
        "g": 15,
        "h": 31,
        "i": "1_000",
        "j": 1500.0,
        "k": None,
        "l": "1",
    }


def test_the_library_alone_would_read_no_as_false_and_run_into_the_rest():
    """The control: what happens without the reader's own rules."""
    import yaml

    assert yaml.safe_load("a: no\na: on\nb: 06:30\nc: 1e999") == {
        "a": True,
        "b": "06:30",
        "c": "1e999",
    }
    assert yaml.safe_load("a: 12:30:00") == {"a": 45_000}
    assert len(yaml.safe_load(BILLION_LAUGHS)["u"]) == 2


def test_a_day_stays_a_text_and_keys_are_texts(tmp_path):
    assert load(tmp_path, "1: 2013-02-30\nno: x\n<<: {a: 1}") == {
        "1": "2013-02-30",
        "no": "x",
        "<<": {"a": 1},
    }


@pytest.mark.parametrize("text", ["", "# only a comment", "---", "null", "\ufeff"])
def test_an_empty_file_is_an_empty_mapping(tmp_path, text):
    assert load(tmp_path, text) == {}


def test_all_flaws_are_collected_with_their_lines(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("a: 1\nb: 1e999\na: 2\nc:\n  - x: .nan\n")
    flaws = read_document(path).flaws
    assert [(flaw.key, line) for flaw, line in flaws] == [("b", 2), ("a", 3), ("c[0].x", 5)]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8), inner, max_size=4
        )
    ),
    max_leaves=15,
)
mappings = st.dictionaries(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8),
    plain,
    max_size=5,
)
relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@relaxed
@given(data=mappings)
def test_what_json_writes_is_read_back_the_same(tmp_path, data):
    import json

    path = tmp_path / "spec.yaml"
    # JSON's \u escapes write characters outside the basic plane as two surrogates, which YAML refuses.
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
    assert read_yaml(path) == data


@relaxed
@given(
    raw=st.binary(max_size=300)
    | st.text("[]{}:,-&*!|>'\"%@#? \n\tab01.~<", max_size=200).map(str.encode)
)
def test_any_bytes_give_plain_data_or_one_error(tmp_path, raw):
    path = tmp_path / "spec.yaml"
    path.write_bytes(raw)
    data, error = outcome(lambda: read_yaml(path))
    if error is None:
        assert_plain(data)
    else:
        assert str(path) in error.where


def outcome(act):
    """What an act returns, or the SpecError it raises; any other error is the test's failure."""
    try:
        return act(), None
    except SpecError as error:
        return None, error


def assert_plain(value):
    assert type(value) in {dict, list, str, int, float, bool, type(None)}
    if isinstance(value, float):
        assert math.isfinite(value)
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        assert_plain(item)


@st.composite
def mutated(draw):
    """A good spec with some of its bytes cut, doubled or replaced."""
    text = GOOD
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text) - 1))
        length = draw(st.integers(0, 25))
        put = draw(
            st.sampled_from(
                ["", "no", "1e999", "!!python/name:os.system", "\0", "{", "]", "\n", ": ", "*a"]
            )
            | st.just(text[at : at + length] * 2)
        )
        text = text[:at] + put + text[at + length :]
    return text


@relaxed
@given(text=mutated())
def test_a_damaged_spec_loads_or_is_one_clear_error(tmp_path, text):
    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    (folder / "flight_delay.yaml").write_text(text, encoding="utf-8")
    catalog = Catalog(tmp_path)
    spec, error = outcome(lambda: catalog.model("flight_delay"))
    if error is None:
        assert spec.name == "flight_delay"
    else:
        assert "flight_delay.yaml" in error.where
        assert len(str(error)) < 2_000
        assert any(problem.severity == "error" for problem in check(catalog))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "name",
    "owner",
    "level",
    "dataset",
    "module",
    "task",
    "target",
    "inputs",
    "gates",
    "training",
    "scoring",
]


@relaxed
@given(changes=st.dictionaries(st.sampled_from(KEYS), json_values, min_size=1, max_size=3))
def test_a_value_of_any_shape_is_a_spec_or_mistakes_never_a_crash(tmp_path, changes):
    from airloop.specs.catalog import parse
    from airloop.specs.model import ModelSpec
    from airloop.specs.rules import dataset_rules, model_rules, pair_rules
    from airloop.specs.yaml.document import Document

    path = tmp_path / "models" / "flight_delay.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(GOOD)
    data = {**read_yaml(path), **changes}
    spec, found = parse(Document(path, data), ModelSpec)
    assert (spec is None) == bool(found)
    for mistake in [*found, *model_rules(data), *pair_rules(data, data), *dataset_rules(data)]:
        assert mistake.what
        assert isinstance(mistake.key, str)


def test_a_name_cannot_lead_out_of_the_folder(tmp_path):
    from airloop.errors import RequestError

    (tmp_path / "models").mkdir()
    (tmp_path / "secret.yaml").write_text("a: 1")
    for name in ["../secret", "flight_delay\n", "/etc/passwd", "", ".", "a\0b", "x" * 300]:
        with pytest.raises(RequestError, match="no such spec"):
            Catalog(tmp_path).model(name)


def test_a_day_of_a_spec_is_a_date(tmp_path):
    assert Catalog(ROOT / "config").dataset("flights").start == date(2013, 1, 1)
