"""The report of ``care-bench doctor`` on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from care_bench import plugins
from care_bench.artifacts import SUPPORTED, check_versions, code_version, environment, installed
from care_bench.artifacts.environment import known_gpus
from care_bench.config import BACKBONE_SETTINGS, METHOD_SETTINGS
from care_bench.config.offered_claims import CLAIMS
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError


def examine(data: Path, quick: bool, console: Console, verify: bool = False) -> bool:
    """Print packages, extensions, device, data sets and free disk space.

    Args:
        data: folder of prepared data sets.
        quick: leave out the device and other packages' methods and evaluations, which need torch, and the checksums
            of the data.
        console: where to print.
        verify: compare every byte of the data with its checksum again.

    Returns:
        Whether every installed version is supported.
    """
    console.print(f"care-bench {code_version()}", highlight=False)
    packages = Table("package", "version", title="Installed", title_justify="left")
    found = environment()
    for package, version in {**found, **installed(name for name in SUPPORTED if name not in found)}.items():
        packages.add_row(package, version)
    console.print(packages)
    if extensions := plugins.extensions():
        headers = (Column(name, overflow="fold") for name in (*plugins.Extension._fields, "state"))
        offered = Table(*headers, title="Extensions", title_justify="left")
        for extension in extensions:
            offered.add_row(*map(Text, (*extension, _usable(extension, quick))))
        console.print(offered)
    supported = True
    try:
        check_versions()
    except CareBenchError as error:
        supported = False
        console.print(f"unsupported: {error}", style="red", highlight=False)

    console.print(f"device: {_device(quick)}", highlight=False)
    # Folded, not cut: addresses and file names are longer than a column of a narrow terminal.
    columns = (Column(name, overflow="fold") for name in ("data set", "kind", "state", "how to get it"))
    sets = Table(*columns, title=f"Data sets in {data}", title_justify="left")
    for name in DATASETS:
        sets.add_row(*map(Text, _row(name, data, quick, verify)))
    console.print(sets)
    console.print(f"free disk space at {data}: {_free(data) / 1e9:.1f} GB", highlight=False)
    return supported


def _usable(extension: plugins.Extension, quick: bool) -> str:
    """Say whether a component can be used, or in one line why not."""
    if quick and extension.group not in (plugins.DATASETS, plugins.CLAIMS):
        return "not checked"
    try:
        for registry in _registries(extension.group):
            registry[extension.name]
    except CareBenchError as error:
        return f"unusable: {error}"
    return "ready"


def _registries(group: str) -> Iterator[plugins.Registry[Any]]:
    """Yield the registries of a group, those that need torch last."""
    if group == plugins.DATASETS:
        yield DATASETS
    elif group == plugins.BACKBONES:
        yield BACKBONE_SETTINGS
    elif group == plugins.CLAIMS:
        yield CLAIMS
    elif group == plugins.EVALUATIONS:
        from care_bench.evaluation.protocols import PROTOCOLS

        yield PROTOCOLS
    else:
        yield METHOD_SETTINGS
        from care_bench.methods import METHODS

        yield METHODS


def _device(quick: bool) -> str:
    if quick:
        return f"{known_gpus()} GPUs known to the system (without --quick torch is asked)"
    from care_bench.runs.device import best_device, describe_device

    return describe_device(best_device())


def _row(name: str, data: Path, quick: bool, verify: bool) -> tuple[str, str, str, str]:
    try:
        info = DATASETS[name]
    except CareBenchError as error:  # of another package; the others are shown anyway
        return name, "", "unusable", str(error)
    return name, info.kind, _state(name, data, quick, verify), info.how_to_get


def _state(name: str, data: Path, quick: bool, verify: bool) -> str:
    if not (data / name / "meta.json").exists():
        return "not prepared"
    if quick:
        return "prepared, not checked"
    from care_bench.data import load

    try:
        return f"ready, sha256 {load(name, data, verify).sha256[:12]}"
    except CareBenchError as error:
        return f"damaged: {error}"


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
