"""Run snakemake and show its lines about jobs as one line of progress: `python -m care_bench.follow snakemake ...`.

Every other line, such as an error, is printed as it comes, and after the line about a job that failed, the last one of
the job's log: it says why.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from care_bench.progress import Advance, progress

DONE = re.compile(r"(\d+) of (\d+) steps \(\d+%\) done")
CHATTER = re.compile(
    r"\s*|\[\w{3} \w{3} +\d+ [\d:]+ \d{4}\]|Finished jobid: .*|Select jobs to execute\.\.\.|Execute \d+ jobs\.\.\."
    r"|Assuming unrestricted shared filesystem usage\.|Building DAG of jobs\.\.\.|Using shell: .*|Provided cores: .*"
    r"|Rules claiming more threads will be scaled down\.|Conda environments: ignored|Job stats:|job +count|-+ +-+"
    r"|Cannot restore .*: no backup found\."  # of what is updated in place, which is whole or absent
    r"|\w+ +\d+|Complete log.*|Nothing to be done .*|Elapsed time: .*"
)
"""Lines of snakemake that say nothing a user has to act on."""
FAILED = re.compile(r"Command .* > (\S+\.log) 2>&1.* returned non-zero exit status \d+\.?")
"""The line of snakemake about the command of a job, which ends with its log."""


def follow(lines: Iterable[str]) -> None:
    """Show lines of snakemake: its steps as progress, and others as they are."""
    with ExitStack() as stack:
        advance: Advance | None = None
        for line in lines:
            text = line.rstrip("\n")
            if step := DONE.fullmatch(text):
                done, total = int(step[1]), int(step[2])
                if advance is None:
                    advance = stack.enter_context(progress("workflow: jobs", total))
                advance(done, "")
            elif not CHATTER.fullmatch(text):
                print(text, file=sys.stderr, flush=True)  # noqa: T201
                if (failed := FAILED.fullmatch(text)) and (why := _last_line(Path(failed[1]))):
                    print(f"{failed[1]}: {why}", file=sys.stderr, flush=True)  # noqa: T201


def _last_line(log: Path) -> str:
    """Return the last line of a log that is not empty; "" where there is none to read."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


def main(command: Sequence[str]) -> int:
    """Run a command to its end, and return its exit code; a signal that ends it counts 128 more, as in a shell.

    A signal to this process is the command's business: Ctrl-C reaches both, and SIGTERM is passed on.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
        assert process.stdout is not None
        follow(process.stdout)
        code = process.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
