"""The runs that are measured, each made once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.wiring.end_to_end.whole_run import Measured


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Measured]:
    """A function that returns the measured run on a data set."""
    known: dict[str, Measured] = {}

    def get(name: str) -> Measured:
        if name not in known:
            known[name] = Measured(name, tmp_path_factory.mktemp("whole"))
        return known[name]

    return get
