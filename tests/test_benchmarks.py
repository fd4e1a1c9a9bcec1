"""The modules that the benchmark of the default profile imports in place of the workflow's jobs."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks.default_profile import IMPORTS


@pytest.mark.parametrize("stage", IMPORTS)
def test_the_imports_of_a_stage_exist(stage: str) -> None:
    assert all(find_spec(module) for module in IMPORTS[stage].split(", "))
