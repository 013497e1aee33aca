"""`airloop check`: everything that is wrong is told, each with its place."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from airloop.check.specs import check
from airloop.specs.catalog import Catalog
from tests.support.checkout import ROOT

DATASET = "datasets/flights.yaml"
MODEL = "models/flight_delay.yaml"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The config of a project of the test's own, whose modules are those of the checkout."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    shutil.copytree(ROOT / "include" / "flights", tmp_path / "include" / "flights")
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    monkeypatch.setattr("sys.path", [p for p in sys.path if p != str(ROOT / "include")])
    return folder


def change(config, file, old, new):
    text = (config / file).read_text()
    assert old in text, f"the test is out of date: {old!r}"
    (config / file).write_text(text.replace(old, new, 1))


def found(config):
    return {problem.key: problem for problem in check(Catalog(config))}


def test_the_checkouts_own_config_is_fine(config):
    assert check(Catalog(config)) == []


#: A model whose training runs as a pod with these resources.
PODS = "compute: kubernetes\nresources: "
PLANTED = [
    # file, what stands there, what is put there, the key, a word of the message, did you mean
    (MODEL, "owner: data-science\n", "", "owner", "missing", None),
    (MODEL, "owner:", "onwer:", "onwer", "unknown key", "owner"),
    (MODEL, "window_days: 60", "window_day: 60", "training.window_day", "unknown", "window_days"),
    (MODEL, "window_days: 60", "window_days: true", "training.window_days", "integer", None),
    (MODEL, "window_days: 60", 'window_days: "60"', "training.window_days", "integer", None),
    (MODEL, "holdout_days: 10", "holdout_days: 60", "training.holdout_days", "smaller", None),
    (MODEL, "holdout_days: 10", "window_days: 10", "training.window_days", "stands twice", None),
    (MODEL, "level: 1", "level: 3", "level", "not one of", None),
    (MODEL, "level: 1", "level: true", "level", "0, 1 or 2", None),
    (MODEL, "dataset: flights", "dataset: flighst", "dataset", "no such dataset", "flights"),
    (MODEL, "[flight_date, carrier", "[flight_date, carier", "inputs[1]", "no such column", "carrier"),
    (MODEL, "[flight_date, carrier", "[flight_date, dep_delay", "inputs[1]", "leakage", None),
    (MODEL, "[flight_date, carrier", "[flight_date, arr_delay", "inputs[1]", "target", None),
    (MODEL, "[flight_date, carrier", "[flight_date, origin", "inputs[2]", "twice", None),
    (MODEL, "column: arr_delay", "column: arr_dealy", "target.column", "no such", "arr_delay"),
    (MODEL, "slices: [carrier", "slices: [carierr", "gates.slices[0]", "no such", "carrier"),
    (MODEL, "primary: roc_auc", "primary: roc_acu", "gates.primary", "not one of", "roc_auc"),
    (MODEL, "primary: roc_auc", "primary: rmse", "gates.primary", "no metric of class", None),
    (MODEL, "{roc_auc: {min: 0.6}", "{roc_acu: {min: 0.6}", "gates.absolute.roc_acu", "not one", "roc_auc"),
    (MODEL, "{roc_auc: {min: 0.6}", "{roc_auc: {}", "gates.absolute.roc_auc", "min, max or both", None),
    (MODEL, "{roc_auc: {min: 0.6}", "{roc_auc: {min: 1e999}", "gates.absolute.roc_auc.min", "finite", None),
    (MODEL, "{event_time: flight_date}", "{event_time: carrier}", "serving.event_time", "tells no time", None),
    (MODEL, "{event_time: flight_date}", "{event_time: time_hour}", "serving.event_time", "no such input", None),
    (MODEL, "scoring: {when: null}", "scoring: {when: on}", "scoring.when", "must be dataset", None),
    (MODEL, "scoring: {when: null}", "scoring: {when: 0 6 30 2 *}", "scoring.when", "never run", None),
    (MODEL, "flights.flight_delay", "flights.flight_dealy", "module", "no such module", None),
    (MODEL, "flights.flight_delay", "flights.departures", "module", "'features'", None),
    (MODEL, "flights.flight_delay", "../models/x", "module", "form", None),
    (MODEL, "name: flight_delay", "name: other", "name", "differs", None),
    (DATASET, "kind: python", "kind: pyton", "source.kind", "not one of", "python"),
    (DATASET, "kind: python, ", "", "source.kind", "missing", None),
    (DATASET, "departures:flights", "departures:flihgts", "source.function", "no function", "flights"),
    (DATASET, "departures:flights", "departrues:flights", "source.function", "no such module", None),
    (DATASET, '"0 6 * * *"', '"0 25 * * *"', "schedule", "hour", None),
    (DATASET, '"0 6 * * *"', '"@daily"', "schedule", "five fields", None),
    (DATASET, '"0 6 * * *"', '"0 * * * *"', "schedule", "ticks 24 times a day, but a partition is a day", None),
    (MODEL, "{window_days: 7}", "{window_days: 7, schedule: '0 */6 * * *'}", "monitoring.schedule", "ticks 4 times", None),
    (MODEL, "scoring: {when: null}", "scoring: {when: '*/5 8 * * *'}", "scoring.when", "ticks 12 times", None),
    (MODEL, "  seed: 7", "  schedule: 0 6,18 * * *", "training.schedule", "ticks 2 times", None),
    (DATASET, "timezone: UTC", "timezone: Europa/Berlin", "timezone", "time zone", None),
    (DATASET, "timezone: UTC", "holidays: XX", "holidays", "no such holiday calendar", None),
    (DATASET, "timezone: UTC", "holidays: US-ZZ", "holidays", "no such holiday calendar", None),
    (MODEL, "{window_days: 7}", "{drift_after: {nights: 7, of: 5}}", "monitoring.drift_after", "7 nights of 5 never come", None),
    (DATASET, "start: 2013-01-01", "start: 2013-02-29", "start", "no such day", None),
    (DATASET, "start: 2013-01-01", "start: 20130101", "start", "YYYY-MM-DD", None),
    (DATASET, "end: 2013-12-31", "end: 2012-12-31", "end", "before start", None),
    (DATASET, "keys: [flight_id]", "keys: [fligth_id]", "keys[0]", "no such column", "flight_id"),
    (DATASET, "partition_column: flight_date", "partition_column: origin", "partition_column", "type date", None),
    (DATASET, "temp: {type: float", "temp: {type: flaot", "columns.temp.type", "not one of", "float"),
    (DATASET, "temp: {type: float", "temp: {type: float, knwon: after", "columns.temp.knwon", "unknown", "known"),
    (DATASET, "  temp: {", '  "temp\\n": {', "columns.temp\n", "control character", None),
    (DATASET, "to_be_unique", "to_be_uniqe", "expectations[2].expect", "no such expectation", "expect_column_values_to_be_unique"),
    (DATASET, "{column: flight_id}", "{column: fligth_id}", "expectations[2].with.column", "no such column", "flight_id"),
    (DATASET, "{column: flight_id}", "{colum: flight_id}", "expectations[2].with.colum", "no such argument", "column"),
    (DATASET, "{column: flight_id}", "{}", "expectations[2].with.column", "needs this argument", None),
    (DATASET, "expect_table_row_count_to_be_between", "expect_table_row_count_to_be_between, severity: quarantine", "expectations[0].severity", "needs a column", None),
    (DATASET, "max_quarantine_fraction: 0.05", "max_quarantine_fraction: 1.5", "max_quarantine_fraction", "less than or equal to 1", None),
    ("airloop.yaml", "environment: local", "environment: lcoal", "environment", "no such environment", "local"),
    ("airloop.yaml", "environment: local", "ledger_url: foo", "ledger_url", "database URL", None),
    ("airloop.yaml", "environment: local", "lake_ury: /x", "lake_ury", "unknown key", "lake_uri"),
    ("airloop.yaml", "environment: local", "serving: {timeout_seconds: 0}", "serving.timeout_seconds", "greater", None),
    ("pools.json", "airloop_heavy", "airloop_havy", "airloop_heavy", "missing", None),
    ("pools.json", "airloop_gpu", "airloop_gup", "airloop_gpu", "missing", None),
    (MODEL, "compute: process", "compute: kubernets", "compute", "not one of", "kubernetes"),
    (MODEL, "compute: process", "resources: {gpu: -1}", "resources.gpu", "greater than or equal to 0", None),
    (MODEL, "compute: process", "resources: {gpu: 99}", "resources.gpu", "a process is to have 99 GPU", None),
    (MODEL, "compute: process", PODS + "{template: gup}", "resources.template", "no such pod template", "gpu"),
    (MODEL, "compute: process", PODS + "{memory: 16GB}", "resources.memory", "500m, 4 or 16Gi", None),
    (MODEL, "compute: process", PODS + "{cpu: '0'}", "resources.cpu", "above 0", None),
    (MODEL, "compute: process", PODS + "{deadline_minutes: 0}", "resources.deadline_minutes", "greater", None),
    (MODEL, "compute: process", PODS + "{steps: [train, ingest]}", "resources.steps[1]", "not one of", None),
    (MODEL, "compute: process", PODS + "{tolerations: {key: x}}", "resources.tolerations", "list", None),
    (MODEL, "compute: process", PODS + "{tolerations: [spot]}", "resources.tolerations[0]", "mapping", None),
    (MODEL, "compute: process", PODS + "{tolerations: [{key: a, effect: NoSchedul}]}", "resources.tolerations[0].effect", "not one of", "NoSchedule"),
    (MODEL, "compute: process", PODS + "{tolerations: [{operator: Exists, value: x}]}", "resources.tolerations[0]", "takes no value", None),
    (MODEL, "compute: process", "environment: {image: registry.example/step}", "environment.image", "needs a tag or a digest", None),
    (MODEL, "compute: process", "environment: {image: registry.example:5000/step}", "environment.image", "needs a tag or a digest", None),
    (MODEL, "compute: process", "environment: {image: 'step:latest'}", "environment.image", "latest changes", None),
    (MODEL, "compute: process", "environment: {python: bin/python}", "environment.python", "form", None),
    (MODEL, "compute: process", "environment: {}", "environment", "needs image", None),
    (MODEL, "compute: process", "compute: kubernetes\nenvironment: {python: /x/bin/python}", "environment.python", "from an image", None),
    ("kubernetes/pod_templates/gpu.yaml", "    - name: base", "    - name: base\n      command: [sh]", "spec.containers[0].command", "must not override", None),
    ("airloop.yaml", "environment: local", "kubernetes: {namespace: Air_Loop}", "kubernetes.namespace", "form", None),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "key", "said", "meant"), PLANTED)
def test_a_planted_mistake_is_told_with_file_line_key_and_suggestion(
    config, file, old, new, key, said, meant
):
    change(config, file, old, new)
    problem = found(config)[key]
    assert problem.severity == "error"
    assert problem.file == str(config / file)
    assert said in problem.sentence
    assert (f"did you mean {meant!r}" in problem.sentence) == (meant is not None)
    if "missing" not in problem.what:
        lines = (config / file).read_text().splitlines()
        leaf = re.split(r"[.\[\]]+", key.strip().rstrip("]"))
        leaf = next(part for part in reversed(leaf) if part and not part.isdigit())
        near = "\n".join(lines[problem.line - 1 : problem.line + 1])
        assert leaf in near or str(problem.value) in near


def test_all_mistakes_are_told_at_once(config):
    for file, old, new, *_ in [PLANTED[1], PLANTED[8], PLANTED[29], PLANTED[37], PLANTED[44]]:
        change(config, file, old, new)
    assert len(found(config)) >= 5


def test_a_line_is_the_line_of_the_key(config):
    change(config, MODEL, "holdout_days: 10", "\n\n  holdout_days: 99")
    lines = (config / MODEL).read_text().splitlines()
    assert lines[found(config)["training.holdout_days"].line - 1].strip() == "holdout_days: 99"


def test_level_two_is_announced_and_is_no_error(config):
    change(config, MODEL, "level: 1", "level: 2")
    (problem,) = check(Catalog(config))
    assert problem.severity == "notice"
    assert "not there yet" in problem.what


@pytest.mark.parametrize(("nights", "told"), [(20, False), (21, True)])
def test_fewer_training_days_than_three_monitored_windows_are_worth_a_word(config, nights, told):
    change(config, MODEL, "{window_days: 7}", f"{{window_days: {nights}}}")
    problems = check(Catalog(config))
    assert [problem.severity for problem in problems] == ["notice"] * told
    if told:
        assert problems[0].key == "training.window_days"
        assert "63" in problems[0].remedy


@pytest.mark.parametrize(("level", "budget", "told"), [(1, 0, True), (1, 1, False), (0, 0, False)])
def test_a_budget_of_nothing_is_worth_a_word_where_the_loop_could_train(
    config, level, budget, told
):
    change(config, MODEL, "level: 1", f"level: {level}")
    change(config, MODEL, "monthly_budget: 4", f"monthly_budget: {budget}")
    problems = check(Catalog(config))
    assert [problem.severity for problem in problems] == ["notice"] * told
    if told:
        assert problems[0].key == "retraining.monthly_budget"
        assert "the loop never trains by itself" in problems[0].what


@pytest.mark.parametrize("key", ["cpu_hour", "gpu_hour", "gain"])
def test_a_negative_price_is_refused(config, key):
    change(config, MODEL, "monthly_budget: 4", f"monthly_budget: 4, prices: {{{key}: -0.1}}")
    problem = found(config)[f"retraining.prices.{key}"]
    assert problem.severity == "error"
    assert problem.value == -0.1


@pytest.mark.parametrize("bound", [-0.1, 1.1, ".nan", "often"])
def test_a_chance_that_is_none_is_refused(config, bound):
    change(config, MODEL, "monthly_budget: 4", f"monthly_budget: 4, ships: {bound}")
    problem = found(config)["retraining.ships"]
    assert problem.severity == "error"


@pytest.mark.parametrize("bound", [0, 0.0, 1, "null"])
def test_a_chance_may_be_none_at_all(config, bound):
    change(config, MODEL, "monthly_budget: 4", f"monthly_budget: 4, ships: {bound}")
    assert "retraining.ships" not in found(config)


def test_a_yml_file_and_a_file_with_a_wild_name_are_told(config):
    (config / "models" / "other.yml").write_text("a: 1")
    (config / "models" / "Other One.yaml").write_text("a: 1")
    said = " ".join(str(problem) for problem in check(Catalog(config)))
    assert ".yml is not read" in said
    assert "no name of a spec" in said


def test_a_dataset_that_cannot_be_read_is_not_held_against_its_models(config):
    (config / DATASET).write_text("a: [")
    (problem,) = check(Catalog(config))
    assert problem.file == str(config / DATASET)


def test_a_folder_that_is_not_there_is_one_clear_problem(tmp_path):
    (problem,) = check(Catalog(tmp_path / "nowhere"))
    assert "AIRLOOP_CONFIG" in problem.remedy


def test_the_check_imports_no_user_code(config, tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    package = tmp_path / "include" / "planted"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(marker)!r}, 'w')")
    (package / "code.py").write_text(
        f"open({str(marker)!r}, 'w')\ndef build(params): ...\ndef features(frame): ...\n"
    )
    change(config, MODEL, "flights.flight_delay", "planted.code")
    assert check(Catalog(config)) == []
    assert not marker.exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def features(frame):\n  return (", "not valid Python"),
        ("def features(frame, more): ...\ndef build(params): ...", "takes 2 arguments"),
        ("def features(): ...\ndef build(params): ...", "takes 0 arguments"),
        ("async def features(frame): ...\ndef build(params): ...", "is async"),
        ("def features(frame, *, k): ...\ndef build(params): ...", "keyword argument k"),
        ("def features(frame): ...", "no function 'build'"),
        ("def features(f): ...\ndef build(p): ...\ndef label(): ...", "'label' takes 0"),
    ],
)
def test_a_models_code_that_cannot_be_called_is_told(config, tmp_path, monkeypatch, source, said):
    (tmp_path / "include" / "usermodel.py").write_text(source)
    change(config, MODEL, "flights.flight_delay", "usermodel")
    assert said in found(config)["module"].sentence


@pytest.mark.parametrize(
    "source",
    [
        "from json import loads as features, dumps as build",
        "from json import *",
        "if True:\n    def features(f, **k): ...\ntry:\n    build = dict\nexcept ImportError: ...",
        "def features(f, deep=True): ...\nclass build: ...",
    ],
)
def test_functions_that_come_from_elsewhere_are_taken(config, tmp_path, monkeypatch, source):
    (tmp_path / "include" / "usermodel.py").write_text(source)
    change(config, MODEL, "flights.flight_delay", "usermodel")
    assert check(Catalog(config)) == []


def run_check(config, *arguments):
    return subprocess.run(
        [sys.executable, "-c", "from airloop.cli.main import main; main()", "check", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
        env={
            "AIRLOOP_PROJECT": str(ROOT),
            "AIRLOOP_CONFIG": str(config),
            "PATH": "/usr/bin:/bin",
            "COLUMNS": "80",
        },
    )


def test_the_command_says_fine_on_stdout_and_ends_with_0(config):
    done = run_check(config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "3 specs are fine: 1 dataset, 2 models\n"


def test_the_command_prints_errors_to_stderr_and_ends_with_2(config):
    before = {path: path.read_bytes() for path in config.rglob("*") if path.is_file()}
    change(config, MODEL, "owner:", "onwer:")
    done = run_check(config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "config/models/flight_delay.yaml:4  error  onwer" in done.stderr
    assert "did you mean 'owner'?" in done.stderr
    assert "2 errors in 1 file" in done.stderr
    after = {path for path in config.rglob("*") if path.is_file()}
    assert after == set(before)


def test_the_command_can_print_json(config):
    change(config, MODEL, "owner:", "onwer:")
    done = run_check(config, "--json")
    assert done.returncode == 2
    assert {record["key"] for record in json.loads(done.stdout)} == {"owner", "onwer"}


def test_a_spec_cannot_move_the_terminals_cursor(config):
    change(config, MODEL, "owner: data-science", 'owner: "a\\e[2Jb"')
    done = run_check(config)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


FILE = 'source: {kind: file, path: "x/{partition}.csv", format: csv, options: {max_bytes: 9}}'
SQL = (
    'source: {kind: sql, query: "SELECT * FROM t WHERE d >= :start AND d < :end", url_env: DB_URL}'
)


@pytest.mark.parametrize(
    ("source", "key", "said"),
    [
        (FILE.replace("{partition}", "{day}"), "source.path", "only placeholder is {partition}"),
        (FILE.replace("max_bytes", "max_byte"), "source.options.max_byte", "'max_bytes'"),
        (FILE.replace("9", "true"), "source.options.max_bytes", "whole number"),
        (FILE.replace("max_bytes: 9", "delimiter: tab"), "source.options.delimiter", "one char"),
        (FILE.replace("max_bytes: 9", 'delimiter: "€"'), "source.options.delimiter", "of ASCII"),
        (
            FILE.replace("csv", "parquet").replace("max_bytes: 9", 'delimiter: ";"'),
            "source.options.delimiter",
            "an option of CSV",
        ),
        (
            FILE.replace("max_bytes: 9", "final_newline: yes"),
            "source.options.final_newline",
            "require or any",
        ),
        (FILE.replace("csv, ", "cvs, "), "source.format", "'csv'"),
        (FILE.replace("kind: file", "kind: sql"), "source.url_env", "missing"),
        (SQL.replace(":end", "'2013'"), "source.query", ":start and :end"),
        (SQL.replace("DB_URL", "postgresql://me:pw@h/d"), "source.url_env", "form"),
    ],
)
def test_a_source_that_cannot_work_is_told(config, source, key, said):
    text = (config / DATASET).read_text()
    (config / DATASET).write_text(re.sub(r"source: .*", lambda _: source, text))
    assert said in found(config)[key].sentence


@pytest.mark.parametrize("source", [FILE, SQL, SQL.replace(":end", ":end AND d::date > :start")])
def test_a_source_that_can_work_is_fine(config, source):
    text = (config / DATASET).read_text()
    (config / DATASET).write_text(re.sub(r"source: .*", lambda _: source, text))
    assert check(Catalog(config)) == []


@pytest.mark.parametrize(
    "file", ["airloop.yaml", "pools.json", DATASET, "kubernetes/namespaces.yaml"]
)
@pytest.mark.parametrize("what", ["dangling", "looping", "pipe"])
def test_a_link_that_leads_nowhere_and_a_pipe_are_told_and_never_waited_for(config, file, what):
    path = config / file
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere" if what == "dangling" else path)
    told = [problem for problem in check(Catalog(config)) if problem.file == str(path)]
    # The cluster's manifests are the operator's own: a note about the profile is made where they can be read.
    assert bool(told) is (file != "kubernetes/namespaces.yaml")
    assert all("cannot be read" in str(problem) for problem in told)
