"""Nobody without the key leaves a request, a result or a checkpoint that is used, and no flipped bit is."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airloop.contracts import Fence
from airloop.errors import DamagedError, SpecError
from airloop.exchange import blobs as blobs_module
from airloop.exchange import seal as module
from airloop.exchange import store as store_module
from airloop.exchange.blobs import BlobStore
from airloop.exchange.seal import SECRET, VARIABLE
from airloop.exchange.store import StepStore

#: `make flipped-bits` flips 300.
FLIPS = int(os.environ.get("AIRLOOP_FLIPS", "60"))
RESULT = {"result": {"candidate": {"model": "délai", "run_id": "f" * 32, "rows": 41, "ok": True}}}
FENCE = Fence(key="train:flight_delay:manual__2026-01-01T00:00:00+00:00", token=3)


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StepStore:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    return StepStore(str(tmp_path / "steps"))


@pytest.fixture
def result(steps: StepStore) -> Path:
    """The result of one attempt."""
    path = Path(steps.place("train", FENCE)) / "result.json"
    steps.write(str(path), RESULT)
    return path


def plain(payload: object) -> bytes:
    """As an Airloop of before left it, and as anybody can."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return json.dumps(
        {"sha256": hashlib.sha256(text.encode()).hexdigest(), "payload": payload}
    ).encode()


def with_other_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A whole, well-formed result by another installation's key."""
    monkeypatch.setenv(VARIABLE, "another-key-of-thirty-two-characters")
    other = StepStore(str(path.parents[3]))
    path.unlink()
    other.write(str(path), {"result": {"candidate": "another"}})
    monkeypatch.undo()
    return path.read_bytes()


FORGERIES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "without a seal": (lambda _: plain(RESULT), "bears no seal"),
    "its seal is no text": (lambda raw: raw.replace(b'"seal": "', b'"seal": 1, "x": "'), "no seal"),
    "its seal is empty": (
        lambda raw: json.dumps({**json.loads(raw), "seal": ""}).encode(),
        "damaged or forged",
    ),
    "its seal is no ASCII": (
        lambda raw: json.dumps({**json.loads(raw), "seal": "é" * 64}).encode(),
        "no seal",
    ),
    "another value": (lambda raw: raw.replace(b"41", b"42"), "damaged or forged"),
    "one key more": (lambda raw: raw.replace(b'"ok"', b'"o": 1, "ok"'), "damaged or forged"),
    "cut short": (lambda raw: raw[:-5], "damaged"),
    "empty": (lambda _: b"", "damaged"),
    "no object": (lambda _: b"[1, 2]", "damaged"),
    "deep": (lambda _: b"[" * 100_000, "damaged"),
    "a number that is none": (lambda raw: raw.replace(b"41", b"NaN"), "damaged"),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_result_is_refused_once_and_for_all_and_named(
    steps: StepStore, result: Path, how: str
) -> None:
    forge, says = FORGERIES[how]
    result.write_bytes(forge(result.read_bytes()))
    with pytest.raises(DamagedError, match=says) as caught:
        steps.read(str(result))
    assert not caught.value.transient
    assert str(result) in str(caught.value)
    assert "remove it, and clear the task" in str(caught.value)


def test_a_result_by_another_key_is_refused(
    steps: StepStore, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = os.environ["AIRLOOP_HOME"]
    with_other_key(result, monkeypatch)
    monkeypatch.setenv("AIRLOOP_HOME", home)
    with pytest.raises(DamagedError, match="damaged or forged"):
        steps.read(str(result))


@pytest.mark.parametrize("where", ["another attempt", "another step", "the request's place"])
def test_an_honest_object_in_another_place_is_refused(
    steps: StepStore, result: Path, where: str
) -> None:
    place = {
        "another attempt": steps.place("train", FENCE.model_copy(update={"token": 4})),
        "another step": steps.place("evaluate", FENCE),
        "the request's place": steps.place("train", FENCE),
    }[where]
    name = "request.json" if where == "the request's place" else "result.json"
    moved = Path(place) / name
    moved.parent.mkdir(parents=True, exist_ok=True)
    moved.write_bytes(result.read_bytes())
    with pytest.raises(DamagedError, match="damaged or forged"):
        steps.read(str(moved))


def test_what_lies_there_before_the_step_writes_is_named_and_not_taken_for_its_result(
    steps: StepStore,
) -> None:
    path = Path(steps.place("train", FENCE)) / "result.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(plain(RESULT))
    with pytest.raises(DamagedError, match="bears no seal"):
        steps.write(str(path), RESULT)


def test_a_checkpoint_of_anybody_or_of_another_place_is_refused(
    steps: StepStore, tmp_path: Path
) -> None:
    blobs = BlobStore(str(tmp_path / "steps"))
    blobs.write("one", b"weights")
    whole = (tmp_path / "steps" / "one").read_bytes()
    of_before = hashlib.sha256(b"weights").hexdigest().encode() + b"weights"
    for name, forged in (("one", of_before), ("two", whole)):
        (tmp_path / "steps" / name).write_bytes(forged)
        with pytest.raises(DamagedError, match="damaged or forged"):
            blobs.read(name)


def flipped(path: Path, seed: int) -> Iterator[int]:
    """The file with one bit flipped, again and again, put back each time."""
    chance, whole = random.Random(seed), path.read_bytes()
    for _ in range(FLIPS):
        broken = bytearray(whole)
        place = chance.randrange(len(whole))
        broken[place] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        yield place
        path.write_bytes(whole)


def test_no_flipped_bit_of_a_result_is_read_as_another_value(
    steps: StepStore, result: Path
) -> None:
    refused = 0
    for place in flipped(result, seed=1):
        try:
            found = steps.read(str(result))
        except DamagedError:
            refused += 1
        else:  # such as a hexadecimal digit of an escape in capitals
            assert found == RESULT, place
    assert refused > FLIPS * 0.9
    assert steps.read(str(result)) == RESULT


def test_no_flipped_bit_of_a_checkpoint_is_read(steps: StepStore, tmp_path: Path) -> None:
    blobs, content = BlobStore(str(tmp_path / "steps")), random.Random(2).randbytes(4096)
    blobs.write("key/checkpoint", content)
    for _ in flipped(tmp_path / "steps" / "key" / "checkpoint", seed=2):
        with pytest.raises(DamagedError):
            blobs.read("key/checkpoint")
    assert blobs.read("key/checkpoint") == content


def test_control_without_the_seal_flipped_bits_are_read(
    steps: StepStore, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (store_module, blobs_module):
        monkeypatch.setattr(one, "check", lambda *_: None)
    wrong = 0
    for _ in flipped(result, seed=1):
        try:
            wrong += steps.read(str(result)) != RESULT
        except DamagedError:
            continue
    assert wrong > FLIPS / 10


def test_the_stacks_own_key_is_used_whatever_the_shell_holds(
    steps: StepStore, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(os.environ["AIRLOOP_HOME"]) / "secrets" / SECRET
    file.parent.mkdir(parents=True)
    file.write_text(os.environ[VARIABLE] + "\n")
    monkeypatch.setenv(VARIABLE, "of another installation, of which this shell was")
    assert steps.read(str(result)) == RESULT


@pytest.mark.parametrize(
    ("key", "says"), [(None, "there is no key"), ("  ", "there is no key"), ("short", "fewer than")]
)
def test_without_a_key_nothing_is_left_and_nothing_read(
    steps: StepStore, result: Path, monkeypatch: pytest.MonkeyPatch, key: str | None, says: str
) -> None:
    monkeypatch.delenv(VARIABLE) if key is None else monkeypatch.setenv(VARIABLE, key)
    for act in (lambda: steps.read(str(result)), lambda: steps.write(str(result), RESULT)):
        with pytest.raises(SpecError, match=says) as caught:
            act()
        assert VARIABLE in str(caught.value)
        assert key is None or not key.strip() or key not in str(caught.value)


def test_a_seal_shows_nothing_of_the_key(steps: StepStore, result: Path) -> None:
    assert os.environ[VARIABLE].encode() not in result.read_bytes()
    assert len(json.loads(result.read_bytes())["seal"]) == module.LENGTH
