"""A program ``python`` that starts at once, for commands whose processes would each repeat slow imports.

It sends its arguments, folder, environment and streams to a process that has made the slow imports and those of the
package, which forks for it. It is for commands that run to their end: a signal to it does not reach the fork.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tests.forks import become, start_fork

PACKAGE = ("care_bench.cli", "care_bench.training.pretrain", "care_bench.evaluation.run", "care_bench.report.build")
CLIENT = """#!{python} -ISE
import json, os, socket, sys
said = [word for word in sys.argv[1:3] if word != "-u"] + sys.argv[3:]
if said[:1] != ["-m"]:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
wanted = {{"module": said[1], "arguments": said[2:], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as server:
    server.connect("{address}")
    socket.send_fds(server, [json.dumps(wanted).encode() + b"\\n"], [0, 1, 2])
    code = server.recv(16)
sys.exit(int(code or 70))
"""


@contextmanager
def serve_python() -> Iterator[Path]:
    """Yield the path of the program; it knows ``python -m module``, and is the real one for all else."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        address, program = Path(folder) / "address", Path(folder) / "python"
        listening.bind(str(address))
        listening.listen()
        program.write_text(CLIENT.format(python=sys.executable, address=address))
        program.chmod(0o755)
        server = start_fork(_serve, listening, str(program))
        yield program
        server.terminate()
        server.join()


def _serve(listening: socket.socket, program: str) -> None:
    """Fork for every caller."""
    for name in PACKAGE:
        importlib.import_module(name)
    sys.executable = program
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while True:
        caller, _ = listening.accept()
        message, streams, *_ = socket.recv_fds(caller, 2**20, 3)
        while not message.endswith(b"\n"):
            message += caller.recv(2**20)
        if os.fork() == 0:
            listening.close()
            _answer(caller, json.loads(message), streams)
        for opened in streams:
            os.close(opened)
        caller.close()


def _answer(caller: socket.socket, wanted: dict[str, Any], streams: list[int]) -> NoReturn:
    """Run what is wanted in a fork, and send its exit code as a shell tells it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if (child := os.fork()) == 0:
        os._exit(_code(wanted, streams))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    caller.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _code(wanted: dict[str, Any], streams: list[int]) -> int:
    """Become the module, and return its exit code."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    try:
        become(wanted["module"], wanted["arguments"], Path(wanted["folder"]), wanted["environment"])
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr, flush=True)
        return 1
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0
