"""The process of one rank, started by the launcher: ``python -m care_bench.training.rank FOLDER``."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from care_bench.training.interrupts import FAULT


def main(folder: Path) -> None:
    """Take part in a run as the rank that the environment names.

    Args:
        folder: has job.json, the run's configuration and folders. A rank R that fails writes its error to rankR.json
            there, and the launcher reports it in one line.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until training handles it: ends without a traceback
    os.environ["TORCH_CPP_LOG_LEVEL"] = "FATAL"  # torch reads it when it is imported
    logging.disable(logging.WARNING)  # lightning-fabric logs every process group
    job = json.loads((folder / "job.json").read_text())
    threading.Thread(target=_end_with, args=(job["launcher"], folder), daemon=True).start()

    from care_bench.config import RunConfig
    from care_bench.errors import CareBenchError
    from care_bench.files import write_json
    from care_bench.training.pretrain import pretrain

    try:
        pretrain(RunConfig.parse(job["run"], "the run"), Path(job["data"]), Path(job["out"]))
    except Exception as error:
        if isinstance(error, CareBenchError):
            message, code = str(error), error.exit_code
        else:
            message, code = f"{type(error).__name__}: {error}", FAULT
        if folder.exists():  # else the launcher has gone
            write_json(folder / f"rank{os.environ['RANK']}.json", {"message": message, "exit_code": code})
        raise SystemExit(code) from None


def _end_with(launcher: int, folder: Path) -> None:
    """Kill this process when the launcher is gone, and remove the folder that a killed launcher leaves."""
    while os.getppid() == launcher:
        time.sleep(0.5)
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
