from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["images", "point_clouds"])
def test_the_example_in_the_docstring_runs(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"care_bench.augmentations.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
