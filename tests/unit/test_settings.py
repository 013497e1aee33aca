"""The settings: which source wins, and what a wrong one says."""

import os
import pickle

import pytest

from airloop.check.runtime import strangers
from airloop.errors import SpecError
from airloop.settings import Settings, in_force, load_settings, read_settings


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AIRLOOP_")]:
        monkeypatch.delenv(name)
    config, home = tmp_path / "config", tmp_path / "home"
    (config / "environments").mkdir(parents=True)
    home.mkdir()
    (config / "airloop.yaml").write_text("environment: local\n")
    (config / "environments" / "local.yaml").write_text("")
    monkeypatch.setenv("AIRLOOP_CONFIG", str(config))
    monkeypatch.setenv("AIRLOOP_HOME", str(home))
    load_settings.cache_clear()
    yield tmp_path
    load_settings.cache_clear()


def refused():
    load_settings.cache_clear()
    with pytest.raises(SpecError) as caught:
        load_settings()
    return caught.value


def test_everything_lives_under_home_by_default(project):
    settings = load_settings()
    assert settings.ledger_url == f"sqlite:///{project}/home/ledger.db"
    assert settings.lake_uri == f"{project}/home/lake"


def test_the_nearer_source_wins_key_by_key(project, monkeypatch):
    config = project / "config"
    (config / "airloop.yaml").write_text("mlflow_uri: http://a\nairflow_url: http://a\n")
    (config / "environments" / "local.yaml").write_text(
        "mlflow_uri: http://b\nserving: {url: http://b}\n"
    )
    (project / "home" / "runtime.yaml").write_text("serving: {url: http://c}\n")
    settings = Settings()
    assert (settings.airflow_url, settings.mlflow_uri, settings.serving.url) == (
        "http://a",
        "http://b",
        "http://c",
    )
    monkeypatch.setenv("AIRLOOP__SERVING__URL", "http://d")
    monkeypatch.setenv("AIRLOOP__SERVING__TIMEOUT_SECONDS", "3")
    assert (Settings().serving.url, Settings().serving.timeout_seconds) == ("http://d", 3)


WRONG = [
    # variable, value, words of the message, suggestion
    ("AIRLOOP__LEDGER_ULR", "sqlite:////x", "unknown setting", "AIRLOOP__LEDGER_URL"),
    ("AIRLOOP__SERVING__ULR", "http://x", "unknown setting", "AIRLOOP__SERVING__URL"),
    ("AIRLOOP__LEDGER_URL", "ledger.db", "not a database URL", None),
    ("AIRLOOP__LEDGER_URL", "sqlite:///ledger.db", "absolute path", None),
    ("AIRLOOP__LEDGER_URL", "sqlite://", "absolute path", None),
    ("AIRLOOP__LEDGER_URL", "mysql://h/d", "no database 'mysql'", None),
    ("AIRLOOP__LEDGER_URL", "postgresql://host", "names no database", None),
    ("AIRLOOP__LEDGER_URL", "postgresql://h:99999/d", "cannot be read", None),
    ("AIRLOOP__LEDGER_URL", "postgresql://h/d\n", "control character", None),
    ("AIRLOOP__LEDGER_URL", "", "not a database URL", None),
    ("AIRLOOP__LAKE_URI", "lake", "relative path", None),
    ("AIRLOOP__LAKE_URI", "", "relative path", None),
    ("AIRLOOP__SERVING__URL", "localhost:3000", "not the address of a server", None),
    ("AIRLOOP__SERVING__URL", "http://h:port", "cannot be read", None),
    ("AIRLOOP__SERVING__TIMEOUT_SECONDS", "1e999", "finite", None),
    ("AIRLOOP__SERVING__TIMEOUT_SECONDS", "soon", "number", None),
    ("AIRLOOP__SERVING__MEMORY", "600", "write an amount of memory as 2Gi or 900Mi", None),
    ("AIRLOOP__SERVING__MEMORY", "2GB", "write an amount of memory as 2Gi or 900Mi", None),
    ("AIRLOOP__SERVING__MEMORY", "-2Gi", "write an amount of memory as 2Gi or 900Mi", None),
    ("AIRLOOP__SERVING__MEMORY", "511Mi", "512Mi", None),
    ("AIRLOOP__SERVING__PINNED", '["flights"]', "without a bound of memory", None),
    ("AIRLOOP__STORAGE_OPTIONS", "{not json", "must hold JSON", None),
    ("AIRLOOP__STORAGE_OPTIONS", '{"a": 1}', "valid string", None),
    ("AIRLOOP__STORAGE_OPTIONS", '{"key": "k"}', "unknown storage option 'key'", None),
    ("AIRLOOP__STORAGE_OPTIONS", '{"aws_endpoint_url": "h:1"}', "not the address of a", None),
    ("AIRLOOP__STORAGE_OPTIONS", '{"aws_s3_allow_unsafe_rename": "true"}', "overwrite", None),
    ("AIRLOOP__STORAGE_CONNECTION", "a b", "form", None),
    ("AIRLOOP__LAKE_URI", "gs://bucket/lake", "no store 'gs'", None),
    ("AIRLOOP__STEP_STORE_URI", "s3:///steps", "names no bucket", None),
    ("AIRLOOP__STACK__AIRFLOW_DATABASE_URL", "sqlite:////a.db", "not a Postgres URL", None),
    ("AIRLOOP__ENVIRONMENT", "lcoal", "no such environment", "local"),
    ("AIRLOOP__ENVIRONMENT", "../../etc", "not a name", None),
    ("AIRLOOP__ENVIRONMENT", "local\n", "not a name", None),
]


@pytest.mark.parametrize(("variable", "value", "said", "meant"), WRONG)
def test_a_wrong_variable_is_one_clear_error_that_names_it(
    project, monkeypatch, variable, value, said, meant
):
    monkeypatch.setenv(variable, value)
    error = refused()
    assert said in str(error)
    assert variable in str(error) or "storage_options" in str(error)
    assert error.did_you_mean() == meant


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("lake_ury: /x\n", "unknown key", 2),
        ("\nserving: {url: foo}\n", "not the address", 3),
        ("ledger_url: foo\n", "not a database URL", 2),
        ("environment: other\n", "twice", 2),
        ("serving: {memory: 2}\n", "write an amount of memory", 2),
        ("serving: {workers: 0}\n", "greater than or equal to 1", 2),
        ("serving: {workers: -2}\n", "greater than or equal to 1", 2),
        ("serving: {workers: 1000}\n", "less than or equal to 64", 2),
        ("serving: {workers: cores}\n", "valid integer", 2),
        ("serving: {workers: 4, memory: 1Gi}\n", "write 2048Mi or more", 2),
        ("serving: {memory: 2Gi, pinned: flights}\n", "pinned", 2),
        ("serving:\n  memory: 2Gi\n  pinned: [No Name]\n", "lower-case", 4),
        ("a: [\n", "not valid YAML", 3),
    ],
)
def test_a_wrong_file_is_one_clear_error_with_its_line(project, text, said, line):
    path = project / "config" / "airloop.yaml"
    path.write_text("environment: local\n" + text)
    error = refused()
    assert said in str(error)
    assert f"{path}, line {line}" in error.where


def test_a_wrong_runtime_file_is_named_too(project):
    path = project / "home" / "runtime.yaml"
    path.write_text("mlflow_uri: 5\n")
    assert refused().where == f"{path}, line 1, key mlflow_uri"


SECRETS = [
    ("AIRLOOP__LEDGER_URL", "mysql://me:s3cret-word@h/d"),
    ("AIRLOOP__LEDGER_URL", "postgresql://me:s3cret-word@h:x/d"),
    ("AIRLOOP__LEDGER_URL", "s3cret-word"),
    ("AIRLOOP__STORAGE_OPTIONS", '{"secret": ["s3cret-word"]}'),
    ("AIRLOOP__MLFLOW_URI", "http://me:s3cret-word@/x y"),
    ("AIRLOOP__MLFLOW_URI", "https://me:s3cret-word@mlflow.example"),
    ("AIRLOOP__SERVING__URL", "ftp://me:s3cret-word@host/"),
]


@pytest.mark.parametrize(("variable", "value"), SECRETS)
def test_no_secret_stands_in_an_error_or_its_traceback(project, monkeypatch, variable, value):
    import traceback

    monkeypatch.setenv(variable, value)
    load_settings.cache_clear()
    with pytest.raises(SpecError) as caught:
        load_settings()
    assert "s3cret-word" not in "".join(traceback.format_exception(caught.value))


def test_no_secret_stands_in_the_settings_words(project, monkeypatch):
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", "postgresql://me:s3cret-word@h/d")
    monkeypatch.setenv("AIRLOOP__STORAGE_OPTIONS", '{"aws_secret_access_key": "s3cret-word"}')
    monkeypatch.setenv("AIRLOOP__STACK__MLFLOW_DATABASE_URL", "postgresql://me:s3cret-word@h/m")
    monkeypatch.setenv("AIRLOOP__SERVING__TOKEN", "s3cret-word")
    settings = load_settings()
    assert "s3cret-word" not in repr(settings) + str(settings)
    assert settings.serving.bearer() == "s3cret-word"


def test_all_mistakes_of_the_variables_are_known_to_the_check(project, monkeypatch):
    monkeypatch.setenv("AIRLOOP__LAKE_URI", "x")
    monkeypatch.setenv("AIRLOOP__SERVING__URL", "y")
    settings, errors = read_settings()
    assert settings is None
    assert {error.where for error in errors} == {
        "the variable AIRLOOP__LAKE_URI",
        "the variable AIRLOOP__SERVING__URL",
    }


def test_settings_are_frozen_and_can_cross_a_process(project):
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.lake_uri = "/elsewhere"
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    ("route", "key"),
    [
        ("{kind: webhook, url: [s3cret-word]}", "alerts[0].url"),
        ("{kind: webhook, url: s3cret-word, url_env: X}", "alerts[0]"),
        ("{kind: s3cret-word}", "alerts[0].kind"),
    ],
)
def test_a_wrong_alert_route_is_refused_without_being_shown(project, route, key):
    path = project / "config" / "airloop.yaml"
    path.write_text(f"alerts: [{route}]\n")
    error = refused()
    assert error.where.endswith(f"key {key}")
    assert "s3cret-word" not in str(error)


def test_a_wrong_webhook_is_refused_without_being_shown(project):
    path = project / "config" / "airloop.yaml"
    path.write_text("alert_webhook: [s3cret-word]\n")
    error = refused()
    assert "alert_webhook" in error.where
    assert "s3cret-word" not in str(error)


def test_which_ledger_lake_and_service_are_in_force_is_told_with_who_says_so(project, monkeypatch):
    (project / "home").mkdir(exist_ok=True)
    runtime = project / "home" / "runtime.yaml"
    runtime.write_text("ledger_url: postgresql://me:s3cret@elsewhere/ledger\n")
    monkeypatch.setenv("AIRLOOP__SERVING__URL", "http://other:3000")
    settings, _ = read_settings()
    assert settings is not None
    ledger, lake, service = in_force(settings)
    assert ledger == f"ledger: postgresql://***@elsewhere/ledger (by {runtime}, line 1)"
    assert lake.endswith("(by default)")
    assert service == "service: http://other:3000 (by the variable AIRLOOP__SERVING__URL)"
    (stranger,) = strangers()
    assert f"{runtime} holds ledger_url" in stranger
    runtime.write_text("serving: {url: http://c}\n")
    assert strangers() == ()
