"""What this machine has and lacks, for ``care-bench doctor``."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from care_bench.artifacts import check_versions, code_version, environment
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError
from care_bench.machine import nvidia_gpus


def examine(data: Path, quick: bool, console: Console) -> bool:
    """Print packages, device, data sets and free disk space.

    Args:
        data: folder of prepared data sets.
        quick: leave out the device, for which torch is imported, and the checksums of the data.
        console: where to print.

    Returns:
        Whether every installed version is supported.
    """
    console.print(f"care-bench {code_version()}", highlight=False)
    packages = Table("package", "version", title="Installed", title_justify="left")
    for package, version in environment().items():
        packages.add_row(package, version)
    console.print(packages)
    supported = True
    try:
        check_versions()
    except CareBenchError as error:
        supported = False
        console.print(f"unsupported: {error}", style="red", highlight=False)

    console.print(f"device: {_device(quick)}", highlight=False)
    sets = Table("data set", "kind", "state", "how to get it", title=f"Data sets in {data}", title_justify="left")
    for name, info in DATASETS.items():
        sets.add_row(name, info.kind, _state(name, data, quick), info.how_to_get)
    console.print(sets)
    console.print(f"free disk space at {data}: {_free(data) / 1e9:.1f} GB", highlight=False)
    return supported


def _device(quick: bool) -> str:
    if quick:
        return f"{nvidia_gpus()} NVIDIA GPUs known to the driver (without --quick torch is asked)"
    from care_bench.training.device import best_device, describe_device

    return describe_device(best_device())


def _state(name: str, data: Path, quick: bool) -> str:
    if not (data / name / "meta.json").exists():
        return "not prepared"
    if quick:
        return "prepared, not checked"
    from care_bench.data import load

    try:
        return f"ready, sha256 {load(name, data).sha256[:12]}"
    except CareBenchError as error:
        return f"damaged: {error}"


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
