"""Prepares a data set that the tests wrote, and dies by SIGKILL when the second part of it is to be kept."""

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
