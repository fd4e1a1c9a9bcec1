"""Prepares data sets written by the tests, each in a process that kills itself before the second part is kept."""

import os
import signal
import sys
from pathlib import Path


def prepare_and_die(name: str, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        formats.allow(patch, name, folder / "raw")
        test_resume.watch(patch, lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == 2 else None)
        prepare(name, folder / "store", folder / "raw")


if __name__ == "__main__":
    # Imported here, since the worker processes of a child import this file again.
    import pytest

    from care_bench.data import prepare
    from tests.data import formats, test_resume

    for name in sys.argv[2:]:
        child = os.fork()
        if child == 0:
            try:
                prepare_and_die(name, Path(sys.argv[1]) / name)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{name}: not killed")
