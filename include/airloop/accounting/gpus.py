"""The GPUs that a step holds: how much of their memory it uses, and how busy they are."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airloop.specs.sections.resources import local_gpus

if TYPE_CHECKING:
    from types import ModuleType

log = logging.getLogger("airloop.accounting")


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment."""

    memory_bytes: int
    #: The share of the last moments in which it computed, 0 to 1; None where the device does not say.
    utilisation: float | None


class Gpus(Protocol):
    """Where readings come from."""

    def read(self, pids: Collection[int]) -> Sequence[GpuReading]:
        """The GPUs that these processes hold now."""


class NoGpus:
    """A machine without."""

    def read(self, pids: Collection[int]) -> Sequence[GpuReading]:
        """None."""
        return ()


class NvidiaGpus:
    """NVIDIA's own management library, by its own binding.

    A step holds the GPUs that it asked for; one that asked for none, those on which a process of it computes.

    :param asked: how many GPUs the spec gives the step
    :param library: the module ``pynvml``
    :param visible: as in ``CUDA_VISIBLE_DEVICES``, indices or UUIDs; None for all
    """

    def __init__(self, asked: int, library: ModuleType | Any, visible: str | None = None) -> None:
        self._asked, self._nvml = asked, library
        library.nvmlInit()
        self._handles = self._visible(visible)

    def read(self, pids: Collection[int]) -> Sequence[GpuReading]:
        """The GPUs that are held; a device that fails to answer is left out."""
        held = []
        for position, handle in enumerate(self._handles):
            try:
                mine = self._memory_of(handle, pids)
                if mine is None and position < self._asked:
                    # In a container the driver names processes by the host's numbers: the device is its own there.
                    mine = int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
                if mine is not None:
                    held.append(GpuReading(mine, self._utilisation(handle)))
            except self._nvml.NVMLError as error:
                log.warning("a GPU does not say what it does: %s", error)
        return held

    def _visible(self, text: str | None) -> list[Any]:
        nvml = self._nvml
        if text is None:
            return [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        handles = []
        for name in filter(None, (part.strip() for part in text.split(","))):
            by_index = name.lstrip("-").isdigit()
            if by_index and int(name) < 0:  # CUDA's own way to hide this and what follows
                break
            handles.append(
                nvml.nvmlDeviceGetHandleByIndex(int(name))
                if by_index
                else nvml.nvmlDeviceGetHandleByUUID(name)
            )
        return handles

    def _memory_of(self, handle: Any, pids: Collection[int]) -> int | None:
        """The bytes that these processes use there; None where none of them is seen."""
        running = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        mine = [one.usedGpuMemory for one in running if one.pid in pids]
        return sum(value or 0 for value in mine) if mine else None

    def _utilisation(self, handle: Any) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
        except self._nvml.NVMLError_NotSupported:  # a slice of a GPU (MIG) has no such counter
            return None


def find_gpus(asked: int) -> Gpus:
    """The GPUs of this machine; a machine whose driver does not answer has none to account for."""
    if not local_gpus():
        return NoGpus()
    import pynvml

    try:
        return NvidiaGpus(asked, pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"))
    except pynvml.NVMLError as error:
        log.warning("the GPUs are not accounted for: %s", error)
        return NoGpus()
