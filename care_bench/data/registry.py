"""The data sets, in the order they are listed. To add one: a file in ``sources/``, and its entry here."""

from __future__ import annotations

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
    return found


DATASETS: plugins.Registry[DatasetInfo] = plugins.Registry(
    plugins.DATASETS, {info.name: info for info in SOURCES}, _check
)
