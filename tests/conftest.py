"""What the environment of a test run must not decide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

LEFT_OUT = (
    *("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),  # by which rich prints
    *("PY_COLORS", "PYTEST_ADDOPTS"),  # which a pytest started by a test would obey
)


@pytest.fixture(autouse=True, scope="session")
def _alike_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Plain output of the usual width, and caches that can be written, here and in the commands that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in LEFT_OUT:
            patch.delenv(name, raising=False)
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):  # matplotlib complains and snakemake stops without them
            patch.setenv(name, str(tmp_path_factory.mktemp("home")))
        yield
