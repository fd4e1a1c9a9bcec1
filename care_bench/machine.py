"""What can be known of the machine without importing torch."""

from __future__ import annotations

from pathlib import Path

_NVIDIA = Path("/proc/driver/nvidia/gpus")


def nvidia_gpus() -> int:
    """Return how many NVIDIA GPUs the driver of this machine knows."""
    return len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
