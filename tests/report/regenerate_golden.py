"""Rewrite the golden tables: ``python tests/report/regenerate_golden.py``, after a change of what it says.

Read the difference before committing it: the numbers in the tables are asserted by themselves in test_golden.py,
everything else about the files rests on that reading.
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
