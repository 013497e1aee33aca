"""A stand-in for the module ``pynvml``: devices with memory, load and processes."""

# ruff: noqa: N802 - the library names its functions so
from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801, N818 - the library's own name
    pass


@dataclass
class Device:
    name: str = "GPU-0"
    used: int = 0
    busy: int | None = 0
    #: By process.
    memory: dict[int, int | None] = field(default_factory=dict)
    lost: bool = False


class Library:
    NVMLError = NVMLError
    NVMLError_NotSupported = NVMLError_NotSupported

    def __init__(self, *devices: Device) -> None:
        self.devices = devices

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:
        return self.devices[index]

    def nvmlDeviceGetHandleByUUID(self, name: str) -> Device:
        return next(device for device in self.devices if device.name == name)

    def nvmlDeviceGetComputeRunningProcesses(self, device: Device) -> list[Any]:
        if device.lost:
            raise NVMLError("GPU is lost")
        return [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in device.memory.items()]

    def nvmlDeviceGetMemoryInfo(self, device: Device) -> Any:
        return SimpleNamespace(used=device.used)

    def nvmlDeviceGetUtilizationRates(self, device: Device) -> Any:
        if device.busy is None:
            raise NVMLError_NotSupported("not supported")
        return SimpleNamespace(gpu=device.busy)
