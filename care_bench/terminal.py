"""How commands end: errors of a user are one line on standard error and an exit code, without a traceback."""

from __future__ import annotations

import sys
from typing import cast

import typer

from care_bench.errors import CareBenchError

# Some versions of typer hide click's exceptions; BadParameter is public, and its base class is the usage error.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])


def run(app: typer.Typer, name: str) -> None:
    """Run a typer application and exit.

    Args:
        app: the application.
        name: name of the command, which begins every error line.

    A :class:`CareBenchError` exits with its own code, wrong usage with 2, an interrupt from the keyboard with 130.
    """
    try:
        code = app(standalone_mode=False, prog_name=name)
    except CareBenchError as error:
        code = _complain(name, str(error), error.exit_code)
    except _UsageError as error:
        code = _complain(name, f"{error.format_message()} ({name} --help)", 2)
    except (OSError, UnicodeEncodeError) as error:
        code = _complain(name, f"cannot print or write: {error}", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = _complain(name, "interrupted", 130)
    sys.exit(code)


def _complain(name: str, message: str, code: int) -> int:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return code
