"""Which device a training runs on, and what fits on it."""

from __future__ import annotations

import os

import torch

#: The share of the free memory that rows may take: weights, activations and the allocator need the rest.
ROWS_SHARE = 0.5


def choose() -> torch.device:
    """The process's own GPU where there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device(
            "cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
        )
    return torch.device("cpu")


def fits(size: int, device: torch.device, limit_mb: int | None) -> bool:
    """Whether rows of ``size`` bytes may stay on the device for the whole training."""
    if limit_mb is not None:
        return size <= limit_mb * 1_000_000
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return size <= free * ROWS_SHARE
    # On the CPU the rows are in its memory already.
    return True
