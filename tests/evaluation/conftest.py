"""The prepared data of the tests of evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from care_bench.data import prepare


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    prepare("digits", root)
    prepare("proteins", root)
    return root
