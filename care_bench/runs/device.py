"""The device a run uses: its name for the records, and deterministic kernels on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch


def best_device() -> torch.device:
    """Return the GPU that CUDA or ROCm drives where there is one, else the CPU: Apple's has no float64 for metrics."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device(device: torch.device, number: int = 1) -> str:
    """Return the kind, the product name and, above one, the number of the devices of a run, as records hold it."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return f"{device.type}: {name}" if number == 1 else f"{device.type}: {number} x {name}"


@contextmanager
def reproducible(deterministic: bool, threads: int, device: torch.device) -> Iterator[None]:
    """Set threads and, on an accelerator, deterministic kernels; put back what was there.

    Args:
        deterministic: refuse kernels whose results vary from run to run.
        threads: CPU threads of an operation.
        device: where the work is done. The CPU kernels used here are deterministic as they are, and the switch costs
            the import of torch's compiler.
    """
    with _threads(threads), _deterministic_kernels() if deterministic and device.type != "cpu" else nullcontext():
        yield


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    # cuBLAS reads this when its first handle is made; without it deterministic matrix products are refused.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
