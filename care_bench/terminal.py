"""How commands begin and end: a mistake or an interruption is one line on standard error and an exit code.

Nothing but the standard library is imported before the signals are handled, so that Ctrl-C ends in one line also while
a command imports its packages.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn, ParamSpec, TypeVar

from care_bench.empty_folders import remove_empty
from care_bench.errors import CareBenchError
from care_bench.torchrun import rank_to_speak, speaks
from care_bench.untrusted import is_memory_short

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
IMPORTING = "<frozen importlib._bootstrap>"
"""File name of the frames of an import."""

P = ParamSpec("P")
R = TypeVar("R")


class Stopped(BaseException):
    """SIGTERM or SIGINT came while no training was under way; like KeyboardInterrupt it is no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Command:
    """The command of this process: its name, what an interruption leaves, its process and rank."""

    name = "care-bench"
    kept = "nothing was begun; the same command starts it"
    pid = 0
    rank = 0


def run(module: str, name: str) -> NoReturn:
    """Import a module, run its typer application ``app``, and exit.

    Args:
        module: the module; it is imported here because that takes a while, in which a signal may come.
        name: name of the command, which begins every error line.

    A :class:`CareBenchError` exits with its own code, wrong usage with 2, an interruption with 128 plus the signal.
    """
    _Command.name, _Command.pid = name, os.getpid()
    sys.unraisablehook = _unraisable
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background of a script
            signal.signal(number, _stop)
    try:
        _Command.rank = rank_to_speak()
        code = _call(module, name)
        sys.stdout.flush()
        _ignore_signals()  # done: at its end Python would give them back to the system, which says no line
    except Stopped as stopped:
        code = _say_interrupted(stopped.number)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has enough
        _ignore_signals()
        _close_output()
        code = 128 + signal.SIGPIPE
    except Exception as error:
        _ignore_signals()
        line = line_of(error)
        if line is None:
            raise
        code = _complain(line, getattr(error, "exit_code", 2) if isinstance(error, CareBenchError) else 2)
    sys.exit(code)


def keeps(line: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a command with what is kept when it is interrupted, and how to go on, as the line about it ends."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def begin(*arguments: P.args, **options: P.kwargs) -> R:
            _Command.kept = line
            return command(*arguments, **options)

        return begin

    return decorate


def _call(module: str, name: str) -> int:
    app = import_module(module).app
    import typer  # after the module, which imports it

    # Some versions of typer hide click's exceptions; BadParameter is public, and its base class is the usage error.
    usage: Any = typer.BadParameter.__bases__[0]
    try:
        code = app(standalone_mode=False, prog_name=name) or 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich ends the process without a word
            raise end.__context__ from None
        raise
    except usage as error:
        command = error.ctx.command_path if error.ctx else name
        raise CareBenchError(f"{error.format_message()} ({command} --help)") from None
    except (KeyboardInterrupt, typer.Abort):
        raise Stopped(signal.SIGINT) from None
    if code == 128 + signal.SIGINT:  # typer has caught a KeyboardInterrupt that code of the user's raised
        raise Stopped(signal.SIGINT)
    return code


def line_of(error: Exception) -> str | None:
    """Return the line about an error, or None for one that only an error in the package explains."""
    if isinstance(error, CareBenchError):
        return str(error)
    if isinstance(error, UnicodeEncodeError):
        _close_output()
        return f"cannot print: {error}"
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{error.filename} has vanished while the command worked; expected nobody else to move or delete it"
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}"
    if isinstance(error, OSError):
        return f"cannot print or write: {error.strerror or error}"
    if is_memory_short(error):
        return f"not enough memory: {str(error).partition('. ')[0] or type(error).__name__}"
    return None


def _close_output() -> None:
    """Let nothing more be printed: flushing the rest at the end would fail again."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _Command.pid:  # a forked worker: its parent says the line
        os._exit(128 + number)
    while frame is not None:
        # An import may catch every exception, or leave half of a module behind; here nothing is being written.
        if frame.f_code.co_filename == IMPORTING:
            _end_at_once(number)
        frame = frame.f_back
    raise Stopped(number)


def _unraisable(unraisable: Any) -> None:
    """End the process where a signal came in a destructor, which cannot pass an exception on."""
    if isinstance(unraisable.exc_value, Stopped):
        _end_at_once(unraisable.exc_value.number)
    sys.__unraisablehook__(unraisable)


def _end_at_once(number: int) -> NoReturn:
    code = _say_interrupted(number)
    remove_empty()
    os._exit(code)


def _say_interrupted(number: int) -> int:
    _ignore_signals()
    return _complain(f"interrupted by {signal.Signals(number).name}: {_Command.kept}", 128 + number)


def _ignore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _complain(message: str, code: int) -> int:
    if speaks(code, _Command.rank):
        print(f"{_Command.name}: {' '.join(message.split())}", file=sys.stderr, flush=True)  # noqa: T201
    return code
