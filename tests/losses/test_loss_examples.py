from __future__ import annotations

import doctest
import sys

import pytest

import care_bench.losses

MODULES = [
    "alignment",
    "barlow_twins",
    "byol",
    "equimod",
    "equivariance",
    "info_nce",
    "moco",
    "uniformity",
    "wahba",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_example_in_the_docstring_runs(name):
    result = doctest.testmod(sys.modules[f"{care_bench.losses.__name__}.{name}"])
    assert result.attempted > 0
    assert result.failed == 0
