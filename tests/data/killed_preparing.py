"""Prepares a data set written by the tests, and kills itself with SIGKILL before the second part is kept."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    import pytest

    from care_bench.data import prepare
    from tests.data import formats, test_resume

    name, folder = sys.argv[1], Path(sys.argv[2])
    with pytest.MonkeyPatch.context() as patch:
        formats.allow(patch, name, folder / "raw")
        test_resume.watch(patch, lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == 2 else None)
        prepare(name, folder / "store", folder / "raw")
