from __future__ import annotations

import pytest

from airloop.accounting import gpus
from airloop.accounting.gpus import GpuReading, NoGpus, NvidiaGpus, find_gpus
from tests.unit.accounting.nvml import Device, Library


def test_a_step_that_asked_for_a_gpu_holds_it_also_where_its_processes_are_not_seen() -> None:
    library = Library(Device(used=700, busy=50, memory={4711: 600}), Device(used=9))
    assert NvidiaGpus(1, library).read({1}) == [GpuReading(700, 0.5)]


def test_one_that_asked_for_none_holds_those_on_which_it_computes() -> None:
    library = Library(Device(memory={7: 5}), Device(busy=90, memory={1: 100, 2: 50, 8: 1}))
    assert NvidiaGpus(0, library).read({1, 2}) == [GpuReading(150, 0.9)]
    assert NvidiaGpus(0, library).read({3}) == []


@pytest.mark.parametrize(
    ("visible", "memory"),
    [(None, [1, 2, 3]), ("2,0", [3, 1]), ("GPU-1", [2]), ("", []), ("0,-1,1", [1])],
)
def test_only_the_visible_devices_count(visible: str | None, memory: list[int]) -> None:
    library = Library(*(Device(f"GPU-{i}", memory={1: i + 1}) for i in range(3)))
    found = NvidiaGpus(0, library, visible).read({1})
    assert [reading.memory_bytes for reading in found] == memory


def test_a_slice_of_a_gpu_does_not_say_how_busy_it_is() -> None:
    library = Library(Device(used=5, busy=None))
    assert NvidiaGpus(1, library).read(()) == [GpuReading(5, None)]


def test_a_lost_device_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    library = Library(Device(lost=True), Device(used=5, busy=1))
    assert len(NvidiaGpus(2, library).read(())) == 1
    assert "GPU is lost" in caplog.text


def test_a_machine_without_gpus_opens_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "local_gpus", lambda: 0)
    found = find_gpus(1)
    assert isinstance(found, NoGpus)
    assert found.read({1}) == ()


def test_a_driver_that_does_not_answer_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import pynvml

    def broken() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(gpus, "local_gpus", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlInit", broken)
    assert isinstance(find_gpus(1), NoGpus)
    assert "the GPUs are not accounted for" in caplog.text
