"""Every example in a docstring of the package runs and prints what it shows."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import care_bench

PACKAGE = Path(care_bench.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_every_loss_and_every_augmentation_has_an_example() -> None:
    losses = {"alignment", "barlow_twins", "bilinear_forms", "byol", "equimod", "equivariance", "info_nce", "moco"}
    expected = {f"losses.{name}" for name in losses | {"uniformity", "wahba"}}
    expected |= {"augmentations.images", "augmentations.point_clouds", "metrics.composition"}
    assert {f"care_bench.{name}" for name in expected} <= set(MODULES)
