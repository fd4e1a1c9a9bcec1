"""Rewrite the golden tables after an intended change: ``python tests/report/regenerate_golden.py``.

Read the difference before committing it: test_golden.py checks the numbers in the tables on its own, everything else in
the files is checked only by that reading.
"""

from __future__ import annotations

import io
import shutil
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
        results, out = write_sample(Path(folder) / "results"), Path(folder) / "out"
        for path in write_report(results, out, ["md", "csv"], console=Console(file=io.StringIO())):
            print("wrote", shutil.copy(path, HERE / "golden"))  # without the figures beside it


if __name__ == "__main__":
    main()
