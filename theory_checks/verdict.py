"""``python theory_checks/verdict.py LEDGER``: fail where a statement is violated or was not observed, and name each."""

from __future__ import annotations

import sys
from pathlib import Path

from care_bench.artifacts import LedgerRow, read_ledger
from care_bench.artifacts.ledger import NOT_OBSERVED, VIOLATED
from care_bench.errors import CareBenchError


def failed(rows: list[LedgerRow]) -> str:
    """Return the statements without a verdict of their own, by how they failed, in one line; empty where none did."""
    names = {outcome: [row.name for row in rows if row.outcome == outcome] for outcome in (VIOLATED, NOT_OBSERVED)}
    return "; ".join(f"{outcome}: {', '.join(found)}" for outcome, found in names.items() if found)


def main(path: Path) -> int:
    """Say what failed on standard error, and return the exit code."""
    try:
        found = failed(read_ledger(path))
    except CareBenchError as error:
        sys.stderr.write(f"theory: {error}\n")
        return error.exit_code
    if found:
        sys.stderr.write(f"theory: {found}; see {path}, which the next report shows\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
