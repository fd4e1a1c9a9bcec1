"""The device a run uses: its name for the records, and deterministic kernels and full float32 products on it."""

from __future__ import annotations

import ctypes
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from care_bench.config.run import MOST_THREADS
from care_bench.errors import CareBenchError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Names of settings in glibc's malloc.h."""
_LARGEST_KEPT = 1 << 25
"""Bytes of the largest tensor whose memory is kept when it is freed: the most that glibc allows."""
THREADS, THREADS_PER_CORE = 64, 4
"""Threads that every machine can start, so that a run of a larger one can be repeated on it; and most per core."""


def best_device() -> torch.device:
    """Return the GPU (CUDA or ROCm) if there is one, else the CPU. Apple's GPU has no float64, which metrics need."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device(device: torch.device, number: int = 1) -> str:
    """Return the devices of a run as records name them: kind, number if more than one, product name.

    Of a CPU also its family and model, and the instructions that torch's kernels use: virtual machines give several
    generations of a CPU one name, and these do not compute the same bits.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return f"{device.type}: {name}" if number == 1 else f"{device.type}: {number} x {name}"


def tf32_allowed(device: torch.device) -> bool:
    """Return whether matrix products or convolutions of float32 may keep only the ten bits of TF32 on a device."""
    return device.type == "cuda" and (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)


THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that say how many threads a library of linear algebra starts, when it is loaded."""


@contextmanager
def reproducible(deterministic: bool, threads: int, device: torch.device, *, tf32: bool) -> Iterator[None]:
    """Set the number of threads and, on an accelerator, deterministic kernels and TF32; restore these at the end.

    On the CPU the process keeps freed memory from then on.

    Args:
        deterministic: refuse kernels whose results vary from run to run.
        threads: CPU threads per operation.
        tf32: allow TF32 in matrix products and convolutions. torch's own default allows it in convolutions alone.
        device: where the work is done. On the CPU nothing is switched: the kernels used here are deterministic, and the
            switch imports torch's compiler.

    Raises:
        CareBenchError: so many threads that the machine may not be able to start them.
    """
    check_threads(threads, "training.threads")
    on_accelerator = device.type != "cpu"
    if not on_accelerator:
        _keep_freed_memory()
    with (
        _threads(threads),
        _deterministic_kernels() if deterministic and on_accelerator else nullcontext(),
        _tf32(tf32) if on_accelerator else nullcontext(),
    ):
        yield


def _keep_freed_memory() -> None:
    """Let this process keep the memory of freed tensors for the next ones; only glibc can be told so.

    Otherwise the tensors of every step go back to the system, which clears their pages when the next step asks for
    them: 6 % of the processor time of training a small encoder.
    """
    if os.environ.keys() & {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}:  # somebody has decided
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or none by that name
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def check_threads(threads: int, name: str) -> None:
    """Check that this machine can start so many threads; ``name`` is what the user calls their number.

    Raises:
        CareBenchError: it may not.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = min(MOST_THREADS, max(THREADS, THREADS_PER_CORE * cores))
    if threads > most:
        raise CareBenchError(f"{name} = {threads}, and this machine offers {cores} cores; expected at most {most}")


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    variables = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    # numpy and scipy have pools of their own, whose sums depend on their size: those that are loaded are limited, and
    # those that come later read the environment.
    with threadpool_limits(limits=threads):
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            for name, value in variables.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    # cuBLAS reads this when its first handle is created; without it torch refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    _set_tf32(allowed, allowed)
    try:
        yield
    finally:
        _set_tf32(*before)


def _set_tf32(products: bool, convolutions: bool) -> None:
    # torch's newer `fp32_precision` leaves these flags and torch.get_float32_matmul_precision() in conflict, and then
    # both raise an error where they are read, which lightning-fabric does. These flags set the newer names as well.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Please use the new API settings to control TF32")
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = convolutions


def _processor(about: Path = Path("/proc/cpuinfo")) -> str:
    try:
        first = about.read_text().partition("\n\n")[0]
    except OSError:
        first = ""
    lines = (line.partition(":") for line in first.splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    name = found.get("model name") or platform.processor() or platform.machine()
    parts = [f"{key.removeprefix('cpu ')} {found[key]}" for key in ("cpu family", "model") if key in found]
    return f"{name} ({', '.join([*parts, torch.backends.cpu.get_cpu_capability()])})"
