"""The device of a run, and the settings of torch that a run changes and restores."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from care_bench.runs.device import (
    THREAD_VARIABLES,
    _processor,
    best_device,
    describe_device,
    reproducible,
    tf32_allowed,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_gpu_without_float64_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: torch.device("mps"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert best_device() == torch.device("cpu")


def test_records_name_kind_number_and_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    assert describe_device(torch.device("cuda", 0)) == "cuda: Some GPU"
    assert describe_device(torch.device("cuda", 0), 4) == "cuda: 4 x Some GPU"
    assert describe_device(CPU, 2).startswith("cpu: 2 x ")


@pytest.mark.parametrize(("deterministic", "switched"), [(True, True), (False, False)])
def test_threads_and_deterministic_kernels_are_set_and_restored(
    deterministic: bool, switched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    threads = torch.get_num_threads()
    with reproducible(deterministic, threads + 1, GPU, tf32=False):
        assert torch.get_num_threads() == threads + 1
        assert torch.are_deterministic_algorithms_enabled() == switched
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("before", [(False, True), (True, True), (False, False)])
def test_tf32_is_set_for_products_and_convolutions_and_restored(before: tuple[bool, bool], tf32: bool) -> None:
    """(False, True) is torch's default. Its newer names agree, and lightning-fabric can read the third."""
    default = flags()
    try:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
        with reproducible(False, 1, GPU, tf32=tf32):
            assert flags() == (tf32, tf32)
            assert (torch.backends.cuda.matmul.fp32_precision == "tf32") == tf32
            assert (torch.backends.cudnn.conv.fp32_precision == "tf32") == tf32
            assert (torch.get_float32_matmul_precision() == "highest") != tf32
            assert tf32_allowed(GPU) == tf32
        assert flags() == before
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = default


def test_the_cpu_has_no_tf32() -> None:
    before = flags()
    with reproducible(True, 1, CPU, tf32=True):
        assert flags() == before
        assert not tf32_allowed(CPU)


LOADED_LATER = """
import os, torch
from care_bench.runs.device import reproducible
before = torch.get_num_threads()
with reproducible(True, 1, torch.device("cpu"), tf32=False):
    import scipy.linalg, sklearn.linear_model
    from threadpoolctl import threadpool_info
    print(sorted({pool["internal_api"] for pool in threadpool_info()}), {p["num_threads"] for p in threadpool_info()})
print(torch.get_num_threads() == before, "OMP_NUM_THREADS" in os.environ)
"""


def test_every_library_of_linear_algebra_has_the_threads_of_a_run_whenever_it_is_loaded() -> None:
    """Sums of numpy and scipy depend on their number of threads, which is otherwise that of the machine's cores."""
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    ended = subprocess.run(
        [sys.executable, "-c", LOADED_LATER], env=environment, capture_output=True, text=True, check=True
    )
    pools, kept = ended.stdout.splitlines()
    assert "'openblas'" in pools
    assert pools.endswith("{1}")
    assert kept == "True False"


STEPS = """
import resource, sys, torch
from care_bench.runs.device import reproducible

def new_pages():
    layers = torch.nn.Sequential(*(torch.nn.Linear(64, 64) for _ in range(6)))
    rows = torch.ones(4096, 64)
    for step in range(60):
        if step == 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        layers(rows).sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(new_pages())
with reproducible(True, 1, torch.device("cpu"), tf32=False):
    print(new_pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_the_memory_of_a_step_is_that_of_the_step_before() -> None:
    ended = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    usual, kept = map(int, ended.stdout.split())
    assert usual > 1000  # pages of 4 KiB; the 50 steps have some 12 tensors of 256 pages each
    assert kept < usual / 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel\t: 9\n",
            "AMD EPYC (family 25, model 17, SOME)",
        ),
        ("processor\t: 0\nmodel name\t: Arm\nCPU part\t: 0xd40\n", "Arm (SOME)"),
    ],
)
def test_a_cpu_is_told_from_another_generation_of_the_same_name(
    content: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SOME")
    (tmp_path / "cpuinfo").write_text(content)
    assert _processor(tmp_path / "cpuinfo") == said
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert _processor(tmp_path / "missing") == "arm64 (SOME)"
