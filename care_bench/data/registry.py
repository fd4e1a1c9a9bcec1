"""The data sets, in the order they are listed. To add one: a file in ``sources/``, and its entry here."""

from __future__ import annotations

from typing import get_args

from care_bench import plugins
from care_bench.data.source import DatasetInfo
from care_bench.data.sources import (
    cifar,
    digits,
    fashion_mnist,
    flowers102,
    imagenet100,
    pdb,
    proteins,
    stl10,
    tinted_digits,
    tinted_fashion_mnist,
)
from care_bench.names import Kind

SOURCES = (
    digits.INFO,
    tinted_digits.INFO,
    proteins.INFO,
    cifar.CIFAR10,
    cifar.CIFAR100,
    stl10.INFO,
    flowers102.INFO,
    fashion_mnist.INFO,
    tinted_fashion_mnist.INFO,
    imagenet100.INFO,
    pdb.INFO,
)


def _check(name: str, found: object) -> DatasetInfo:
    if not isinstance(found, DatasetInfo) or found.name != name:
        raise ValueError(f"holds {found!r}; expected a care_bench.data.DatasetInfo of that name")
    if found.kind not in get_args(Kind):
        raise ValueError(f"has kind {found.kind!r}; expected one of {', '.join(map(repr, get_args(Kind)))}")
    if not isinstance(found.labels, tuple) or not all(
        isinstance(one, str) and one.isidentifier() for one in found.labels
    ):
        raise ValueError(f"has labels {found.labels!r}; expected a tuple of names of letters, digits and '_'")
    if not callable(found.build) or not isinstance(found.version, int):
        raise ValueError(f"has build {found.build!r} of version {found.version!r}; expected a function and a number")
    return found


DATASETS: plugins.Registry[DatasetInfo] = plugins.Registry(
    plugins.DATASETS, {info.name: info for info in SOURCES}, _check
)
