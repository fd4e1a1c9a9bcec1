"""The table that `care-bench measure` prints."""

from __future__ import annotations

import io

from rich.console import Console

from care_bench.report.measured import measured_table
from tests.sample_records import make_record


def printed(*values: float | None) -> str:
    records = [
        make_record(
            variant=f"mine@layer{k}",
            metric="held_out_wahba",
            protocol="held-out-wahba-v1",
            value=value,
            n=int(value is not None),
            reason=None if value is not None else "no draw moves the embeddings",
        )
        for k, value in enumerate(values)
    ]
    shown = io.StringIO()
    Console(file=shown, width=120).print(measured_table(records, "mine"))
    return " ".join(shown.getvalue().split())


def test_a_number_that_is_missing_has_its_reason() -> None:
    reason = "Without a number: map in O(d), held out: no draw moves the embeddings."
    assert reason in printed(None)
    assert reason in printed(0.5, None)
    assert "0.5000" in printed(0.5, None)
    assert "Without a number" not in printed(0.5)


def test_the_floor_has_columns_of_its_own() -> None:
    mine, floor = (
        make_record(variant=name, metric="held_out_wahba", protocol="held-out-wahba-v1", value=value)
        for name, value in (("mine", 0.25), ("untrained", 0.75))
    )
    shown = io.StringIO()
    Console(file=shown, width=160).print(measured_table([mine], "mine", [floor]))
    lines = [[cell.strip() for cell in line.replace("┃", "│").split("│")] for line in shown.getvalue().splitlines()]
    assert next(line for line in lines if "metric" in line)[2:4] == ["projection", "projection, floor"]
    assert next(line for line in lines if "map in O(d), held out" in line)[2:4] == ["0.2500", "0.7500"]
