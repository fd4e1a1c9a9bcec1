"""The garbage collector rests, and works again afterwards."""

from __future__ import annotations

import gc

import pytest

from care_bench.collector import without_collector


@without_collector()
def fail() -> None:
    raise ValueError(f"the collector works: {gc.isenabled()}")


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_is_as_it_was_before(before: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(ValueError, match="the collector works: False"):
            fail()
        assert gc.isenabled() == before
    finally:
        (gc.enable if was else gc.disable)()
