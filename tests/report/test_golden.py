"""The golden files byte for byte, and their numbers worked out independently."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import scipy.stats
from rich.console import Console

from care_bench.report.build import write_report

GOLDEN = Path(__file__).parent / "golden"
FORMATS = ["md", "csv"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_report_is_the_golden_one(results: Path, tmp_path: Path, suffix: str) -> None:
    (path,) = write_report(results, tmp_path / "out", [suffix], console=Console(file=io.StringIO()))
    golden = (GOLDEN / path.name).read_bytes()
    assert path.read_bytes() == golden, "regenerate with: python tests/report/regenerate_golden.py"


def _cells(epoch: str = "") -> dict[tuple[str, str, str, str], dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO((GOLDEN / "report.csv").read_text(encoding="utf-8"))))
    chosen = [row for row in rows if row["epoch"] == epoch]
    return {(row["collection"], row["table"], row["row"], row["column"]): row for row in chosen}


CARE = "CARE (SimCLR), paper fidelity"
RELEASED = "CARE (SimCLR), released-code fidelity"
PROBE, ABLATION = "Probe accuracy, cached-v1", "Loss ablation, digits (convnet)"
EQUIVARIANCE = "Equivariance, digits (convnet), projection"
RETRIEVAL = "Retrieval, digits (convnet)"
PROTEINS = "Rotated point clouds, proteins (deepset)"


@pytest.mark.parametrize(
    ("table", "row", "column", "values"),
    [
        (PROBE, "SimCLR", "top-1, projection", [80, 81, 82]),
        (PROBE, CARE, "top-1, projection", [90, 92, 94]),
        (PROBE, RELEASED, "top-1, projection", [88, 90]),
        (PROBE, "SimCLR", "top-1, features", [84, 85, 86]),
        (PROBE, CARE, "top-1, features", [95, 95.5, 96]),
        (ABLATION, "invariance only", "top-1, cached-v1", [60, 61, 62]),
        (EQUIVARIANCE, "SimCLR", "Wahba, mean", [0.5, 0.6, 0.7]),
        (EQUIVARIANCE, "SimCLR", "γ, mean", [100, 200, 300]),
        (EQUIVARIANCE, CARE, "γ, mean", [0.0001, 0.0002, 0.0003]),
        (RETRIEVAL, "SimCLR", "top-5 overlap", [40, 41, 42]),
    ],
)
def test_means_and_intervals_are_scipys(table: str, row: str, column: str, values: list[float]) -> None:
    found = _cells()["collected/small", table, row, column]
    sem = scipy.stats.sem(values, ddof=1)
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=sem)
    assert float(found["value"]) == pytest.approx(sum(values) / len(values), rel=1e-12)
    assert float(found["low"]) == pytest.approx(low, rel=1e-9)
    assert float(found["high"]) == pytest.approx(high, rel=1e-9)
    assert int(found["n"]) == len(values)


@pytest.mark.parametrize(
    ("table", "row", "column", "text"),
    [
        # half-widths by hand: t(0.975; 2) = 4.3027, t(0.975; 1) = 12.7062, times s / sqrt(n)
        (PROBE, "SimCLR", "top-1, projection", "81.00 ± 2.48"),  # 4.3027 * 1 / 1.7321
        (PROBE, CARE, "top-1, projection", "92.00 ± 4.97"),  # 4.3027 * 2 / 1.7321
        (PROBE, RELEASED, "top-1, projection", "89.00 ± 12.71"),  # 12.7062 * 1.4142 / 1.4142
        (PROBE, CARE, "top-1, features", "95.50 ± 1.24"),  # 4.3027 * 0.5 / 1.7321
        (PROBE, "invariance only", "top-1, projection", ""),
        (PROBE, "equivariance only, paper fidelity", "top-1, features", ""),
        (EQUIVARIANCE, CARE, "Wahba, mean", "0.2000 ± 0.0000"),
        (EQUIVARIANCE, "SimCLR", "γ, mean", "200.0 ± 248.4"),  # 4.3027 * 100 / 1.7321
        (EQUIVARIANCE, CARE, "distance to invariance (0 = invariant)", "1.250"),
        (PROTEINS, "SimCLR", "first PC, R²", "0.0200"),
        (PROTEINS, CARE, "first PC, angle error", "12.35"),
        (PROTEINS, CARE, "trajectory, planarity", "97.50"),
        (RETRIEVAL, CARE, "top-5 overlap", "11.00 ± 2.48"),  # 4.3027 * 1 / 1.7321
    ],
)
def test_cells_are_those_worked_out_by_hand(table: str, row: str, column: str, text: str) -> None:
    assert _cells()["collected/small", table, row, column]["text"] == text


def test_only_the_csv_shows_snapshots_under_their_epoch() -> None:
    found = {
        (epoch, key[2], key[3]): (row["text"], row["bold"])
        for epoch in ("2", "10")
        for key, row in _cells(epoch).items()
    }
    assert found == {
        ("2", CARE, "γ, mean"): ("4.000 ± 2.484", "0"),  # 4.3027 * 1 / 1.7321
        ("10", "SimCLR", "γ, mean"): ("301.0 ± 2.5", "0"),
        ("10", CARE, "γ, mean"): ("1.000 ± 1.242", "0"),  # no mark without reference rows
    }
    assert {key[:2] for epoch in ("2", "10") for key in _cells(epoch)} == {("collected/small", EQUIVARIANCE)}
    assert "301.0" not in (GOLDEN / "report.md").read_text(encoding="utf-8")


def test_bold_only_where_intervals_do_not_overlap() -> None:
    # Features: CARE has [94.26, 96.74], SimCLR [82.52, 87.48], the others less. Projection: the interval of the
    # released-code row, [76.29, 101.71], overlaps CARE's. Wahba's error: 0.2 is inside [0.15, 0.65] of weight 3.
    bold = {(key[0], key[1], key[2], key[3]) for key, row in _cells().items() if row["bold"] == "1"}
    assert bold == {
        ("collected/small", PROBE, CARE, "top-1, features"),
        ("collected/small", ABLATION, CARE, "top-1, cached-v1"),
    }


def test_collections_are_not_mixed() -> None:
    pinned = [row for key, row in _cells().items() if key[0] == "pinned/old"]
    assert [(row["row"], row["text"]) for row in pinned] == [("SimCLR", "90.00")]
