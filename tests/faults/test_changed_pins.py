"""No byte of a pin can change unnoticed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from care_bench.artifacts.pin import read_pins, verify_all
from care_bench.errors import CareBenchError
from tests.faults.conftest import LINE, ROOT, SILENT, TRACEBACK, Counting


def read_for_a_report(results: Path) -> None:
    """Read pins as a report does, which takes the ids of records from the file."""
    read_pins(results, rehash=False)


@pytest.mark.parametrize("changes", [40, pytest.param(400, marks=pytest.mark.faults)])
def test_byte_changes_in_a_pin(changes: int, counting: Counting, tmp_path: Path) -> None:
    pins = sorted((ROOT / "results" / "pinned").iterdir(), key=lambda pin: (pin / "records.parquet").stat().st_size)
    pin = pins[-1] if changes == 400 else pins[0]
    shutil.copytree(pin, tmp_path / "pinned" / pin.name)
    names = sorted(path for path in (tmp_path / "pinned").rglob("*") if path.is_file())
    assert verify_all(tmp_path) > 0
    draws = random.Random(0)
    with counting("byte changes in a pin") as outcomes:
        for number in range(changes):
            path = names[number % len(names)]
            content = path.read_bytes()
            place, flip = draws.randrange(len(content)), draws.randrange(1, 256)
            path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
            what = f"{path.name}, byte {place} ^ {flip}"
            try:
                (read_for_a_report if number // len(names) % 2 else verify_all)(tmp_path)
                outcomes.add(SILENT, what)
            except CareBenchError as error:
                outcomes.add(LINE if path.name in str(error) and "\n" not in str(error) else SILENT, what)
            except Exception as error:
                outcomes.add(TRACEBACK, f"{what}: {error!r}")
            path.write_bytes(content)
    assert verify_all(tmp_path) > 0
