"""Commands that are disturbed while they run, and the counts of how they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests.forks import start_fork

ROOT = Path(__file__).parents[2]
HELD, LINE, TRACEBACK, SILENT = "held", "one line", "traceback", "silent"


@dataclass(frozen=True)
class Command:
    """What has become of a command.

    Attributes:
        state: ended, stopped or running.
        code: its exit code, minus the signal that killed it; None unless it has ended.
        operations: file operations that it did, if it was not killed.
    """

    pid: int
    state: str
    code: int | None = None
    stdout: str = ""
    stderr: str = ""
    operations: int = 0

    @property
    def in_one_line(self) -> bool:
        """Whether it ended with one line on standard error and exit code 2; progress may come before the line."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("care-bench: ")]
        return self.code == 2 and lines == self.stderr.splitlines()[-1:] and "Traceback" not in self.stderr


def _serve(pipe: Connection) -> None:
    from tests.faults.server import main  # in the fork alone: it makes a folder, and imports all of the package

    main(pipe)


class Server:
    """Starts commands as forks of one warm process."""

    def __init__(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = start_fork(_serve, other)

    def run(
        self,
        folder: Path,
        *arguments: str | Path,
        kill_at: int | None = None,
        stop_at: int | None = None,
        allow: list[str] | None = None,
        patience: float = 120,
    ) -> Command:
        """Run a command in a folder, and return it when it has ended or stopped, or after so many seconds.

        ``allow`` is a data set and the folder of the small files that count as its published ones.
        """
        places = {"kill_at": kill_at, "stop_at": stop_at, "allow": allow, "patience": patience}
        return self._ask({"arguments": list(map(str, arguments)), "folder": str(folder), **places})

    def go_on(self, command: Command, patience: float = 120) -> Command:
        """Let a stopped command go on, or wait for a running one."""
        if command.state == "stopped":
            os.kill(command.pid, signal.SIGCONT)
        return self._ask({"wait": command.pid, "patience": patience})

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join()

    def _ask(self, request: dict[str, Any]) -> Command:
        self._pipe.send(request)
        return Command(**self._pipe.recv())


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="session")
def sample(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that commands read: data, a run, its records, their collection and their pin."""
    from tests.faults.samples import make

    folder = tmp_path_factory.mktemp("sample")
    make(server, folder)
    return folder


class Outcomes:
    """How many disturbances ended in which way."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def add(self, outcome: str, what: str) -> None:
        """Count one; ``what`` describes it."""
        self.counts[outcome] += 1
        if outcome in (TRACEBACK, SILENT):
            self.wrong.append(f"{outcome}: {what}")


Counting = Callable[[str], AbstractContextManager[Outcomes]]


@pytest.fixture
def counting(request: pytest.FixtureRequest) -> Counting:
    """A context that counts outcomes of one kind of fault, and fails at the end if there was a wrong one."""

    @contextmanager
    def count(kind: str) -> Iterator[Outcomes]:
        outcomes = Outcomes()
        yield outcomes
        request.node.user_properties.append(("faults", [kind, dict(outcomes.counts)]))
        assert not outcomes.wrong, "\n".join(outcomes.wrong[:20])
        assert outcomes.counts, "nothing was disturbed"

    return count


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
