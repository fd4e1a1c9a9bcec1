"""Makes test runs independent of the terminal, the home folder and the caller's settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

LEFT_OUT = (
    *("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),  # rich reads these
    *("PY_COLORS", "PYTEST_ADDOPTS"),  # a pytest started by a test would read these
)


@pytest.fixture(autouse=True, scope="session")
def _same_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Plain output of the default width and writable caches, here and in the commands that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in LEFT_OUT:
            patch.delenv(name, raising=False)
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):  # matplotlib and snakemake need them
            patch.setenv(name, str(tmp_path_factory.mktemp("home")))
        yield
