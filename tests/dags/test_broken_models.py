"""Beside a file that is wrong the page, `airloop status` and the service go on, and say which file it is."""

from __future__ import annotations

import asyncio
import html
import shutil
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

import pytest

from airloop.check import broken
from airloop.contracts import ArtifactRef
from airloop.errors import AirloopError, SpecError
from airloop.ledger import open_ledger
from airloop.projects.stubs import Plan, Stub
from airloop.serving.runtime.endpoints import Endpoints
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog
from airloop.vocabulary import DeploymentKind
from tests.support.checkout import ROOT
from tests.support.hostile_files import (
    BYSTANDERS,
    MODEL,
    POOLS,
    SETTINGS,
    STOPS,
    Mutant,
    mutants,
    plant_world,
)
from tests.support.serving_fakes import FakeModel, deployment, model_spec

MUTANTS = mutants(8)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A config folder to spoil, and a ledger that knows a champion of the model which is spoilt."""
    monkeypatch.setenv("AIRLOOP_CONFIG", str(tmp_path / "config"))
    plant_world(tmp_path / "config")
    ledger = open_ledger(load_settings())
    ledger.record_deployment(
        ledger.begin_attempt("promote:victim"),
        model="victim",
        version=7,
        artifact=ArtifactRef(uri="runs:/x/model", digest="sha256:" + "0" * 64),
        kind=DeploymentKind.PROMOTE,
        reason="first",
    )
    return tmp_path / "config"


def shown() -> tuple[int, str]:
    from airloop_operators.ui.app import page

    answer = page()
    return answer.status_code, html.unescape(bytes(answer.body).decode())


def test_page_status_and_service_go_on_beside_each_of_sixty_mutants(
    world: Path, home: Path
) -> None:
    catalog = Catalog(world)
    deployed = {
        name: deployment(number, model=name)
        for number, name in enumerate((*BYSTANDERS, "victim"), 1)
    }
    models = {one.artifact.uri: FakeModel(spec=model_spec(name)) for name, one in deployed.items()}

    async def main() -> None:
        slots = Endpoints(
            home,
            models=catalog.model_names,
            deployed=lambda: deployed,
            load=lambda ref: models[ref.uri],
        )
        for mutant in MUTANTS:
            shutil.rmtree(world)
            plant_world(world)
            load_settings.cache_clear()
            path = mutant.plant(world)
            page_goes_on(mutant, path)
            status_tells(mutant, path, catalog)
            await slots.refresh()
            serving = {slot.model for slot in slots.all() if slot.current is not None}
            assert serving == set(deployed), (mutant, slots.error)
        await slots.close()

    asyncio.run(main())


def page_goes_on(mutant: Mutant, path: Path) -> None:
    status, text = shown()
    assert status == 200, mutant
    for name in BYSTANDERS:
        assert f"<h2>{name}</h2>" in text, mutant
    models, _ = STOPS[mutant.file]
    told = [line for line in text.splitlines() if str(path) in line]
    # Settings that are wrong are told once, a model's fault in its own part; pools are no part of the page.
    times = {SETTINGS: 1, POOLS: 0}.get(mutant.file, len(models))
    assert len(told) == times, mutant
    assert len({line.strip() for line in told}) <= 1, mutant
    if mutant.file == MODEL:
        assert "Version 7 goes on serving" in text


def status_tells(mutant: Mutant, path: Path, catalog: Catalog) -> None:
    lines = broken.sentences(catalog)
    if mutant.file == SETTINGS:
        assert lines == ()
        with pytest.raises(SpecError) as caught:
            load_settings()
        lines = (str(caught.value),)
    assert len(lines) == 1, mutant
    assert str(path) in lines[0], mutant
    models, datasets = STOPS[mutant.file]
    for name in (*models, *datasets):
        assert name in lines[0], mutant


def test_every_spec_keeps_its_stub_and_the_others_build_beside_each_of_sixty_mutants(
    world: Path, tmp_path: Path
) -> None:
    plan = Plan(world, tmp_path / "no dags")
    sound = {stub.spec for stub in plan.stubs()}
    for mutant in MUTANTS:
        shutil.rmtree(world)
        plant_world(world)
        load_settings.cache_clear()
        path = mutant.plant(world)
        stubs = {PurePath(stub.path).stem: stub for stub in plan.stubs() if stub.spec}
        assert {stub.spec for stub in stubs.values()} | {""} == sound, mutant
        models, datasets = STOPS[mutant.file]
        said = {name: refusal(stubs[name]) for name in (*models, *datasets)}
        assert len(set(said.values())) == (1 if said else 0), mutant
        assert all(str(path) in (one or "") for one in said.values()), mutant
        assert {refusal(stubs[name]) for name in (BYSTANDERS[0], "flights")} == {None}, mutant


def refusal(stub: Stub) -> str | None:
    """Why a stub builds no DAG, if so; run as a DAG file of the checkout."""
    try:
        exec(stub.text, {"__file__": str(ROOT / "dags" / "loop.py")})
    except AirloopError as error:
        return str(error)
    return None


def test_the_dags_of_the_others_are_built_beside_each_bad_file(world: Path) -> None:
    """Nor do they need the settings or the pools."""
    for file in STOPS:
        (world / file).write_text("[")
    load_settings.cache_clear()
    for name in BYSTANDERS:
        specs = Catalog(world).pair(name)
        for kind in ("train", "deploy", "monitor", "score"):
            import_module(f"airloop_dags.{kind}").build(*specs)
        import_module("airloop_dags.ingest").build(specs[1])


def test_nothing_is_broken_where_all_is_well(world: Path) -> None:
    """The control."""
    assert broken.sentences(Catalog(world)) == ()
    status, text = shown()
    assert (status, 'class="error"' in text) == (200, False)


@pytest.mark.parametrize(
    ("source", "says"),
    [("def features(:\n", "not valid Python"), (None, "there is no such module")],
)
def test_a_module_that_is_no_python_breaks_its_model_alone(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, says: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    if source is not None:
        (tmp_path / "brokenmodule.py").write_text(source)
    spec = world / MODEL
    spec.write_text(spec.read_text().replace("flights.flight_delay", "brokenmodule"))
    (line,) = broken.sentences(Catalog(world))
    assert line.startswith("model victim: ")
    assert says in line
    status, text = shown()
    assert status == 200
    assert says in text
    assert "<h2>flight_delay</h2>" in text
    if source is not None:
        (tmp_path / "brokenmodule.py").write_text("def features(frame): ...\n")
        assert broken.sentences(Catalog(world)) == ()


def test_settings_that_turn_wrong_are_told_though_the_page_goes_on_with_the_old(
    world: Path,
) -> None:
    load_settings()
    (world / SETTINGS).write_text("ledger_ulr: x\n")
    status, text = shown()
    assert status == 200
    assert "did you mean 'ledger_url'" in text
    assert "Version 7" in text or "version 7" in text


def test_a_ledger_that_cannot_be_read_is_still_a_503(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP__LEDGER_URL", f"sqlite:///{world}/no/such/ledger.db")
    (world / "no").write_text("a file")
    load_settings.cache_clear()
    status, _ = shown()
    assert status == 503


def test_the_views_of_the_page_are_told_apart_by_their_spec(world: Path) -> None:
    from datetime import UTC, datetime

    from airloop_operators.ui.overview import BrokenView, overview

    (world / MODEL).write_text("[")
    settings = load_settings()
    views: tuple[Any, ...] = overview(
        Catalog(world), open_ledger(settings), settings, datetime.now(UTC)
    )
    assert [view.name for view in views if isinstance(view, BrokenView)] == ["victim"]
