"""Rewrite the golden tables after an intended change: ``python tests/report/regenerate_golden.py``.

Read the difference before committing it: test_golden.py checks the numbers in the tables on its own, everything else in
the files is checked only by that reading.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from care_bench.report.build import write_report

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))


def main() -> None:
    from tests.sample_records import write_sample

    with tempfile.TemporaryDirectory() as folder:
        files = write_report(
            write_sample(Path(folder)), HERE / "golden", ["md", "csv"], console=Console(file=io.StringIO())
        )
    print("\n".join(f"wrote {path}" for path in files))


if __name__ == "__main__":
    main()
