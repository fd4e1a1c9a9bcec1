"""`care-bench plot-run`: the loss terms of runs through training, from their logs."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from care_bench.errors import CareBenchError
from care_bench.files import sha256_file
from care_bench.report.figures.losses import MOST, losses_plot, stretches
from care_bench.runs.summary import Summary
from tests.commands import run_care_bench


def run(folder: Path, name: str, lines: list[dict[str, float]]) -> Path:
    """Write the log of a run, and its summary."""
    folder.mkdir()
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = {
        "run": name,
        "steps": len(lines),
        "images_per_second": 1.0,
        "seconds": 1.0,
        "resumed": 0,
        "device": "cpu",
        "torch": "2.11",
        "tf32": False,
        **dict.fromkeys(("config_sha256", "data_sha256", "weights_sha256"), "0" * 64),
        "log_sha256": sha256_file(log),
        "snapshots": {},
    }
    Summary.parse(summary, "made")
    (folder / "pretrain.json").write_text(json.dumps(summary))
    return folder


LINES = [
    {"step": 1, "learning_rate": 0.1, "loss": 3.0, "invariance": -1.0, "gradient_ratio": 0.5},
    {"step": 2, "learning_rate": 0.1, "loss": 2.0, "invariance": -2.0},
]


def test_every_term_is_a_curve_and_the_learning_rate_is_none(tmp_path: Path) -> None:
    plot = losses_plot([run(tmp_path / "one", "digits/care/seed0", LINES)])
    assert plot.rows == [
        ("digits/care/seed0", "loss", 1, 3.0, 3.0, 3.0),
        ("digits/care/seed0", "loss", 2, 2.0, 2.0, 2.0),
        ("digits/care/seed0", "invariance", 1, -1.0, -1.0, -1.0),
        ("digits/care/seed0", "invariance", 2, -2.0, -2.0, -2.0),
        ("digits/care/seed0", "gradient_ratio", 1, 0.5, 0.5, 0.5),
    ]


def test_many_steps_are_means_of_stretches_of_equal_length() -> None:
    found = stretches([(step, float(step % 2)) for step in range(1, 2 * MOST + 2)])  # one more than MOST pairs
    assert len(found) == (2 * MOST + 1 + 2) // 3
    assert found[0] == (3, pytest.approx(2 / 3), 0.0, 1.0)
    assert found[-1] == (2 * MOST + 1, pytest.approx(0.5), 0.0, 1.0)
    assert [one.step for one in stretches([(1, 5.0), (2, 6.0)])] == [1, 2]


def test_runs_are_drawn_together(tmp_path: Path) -> None:
    first = run(tmp_path / "one", "digits/care/seed0", LINES)
    second = run(tmp_path / "two", "digits/simclr/seed0", LINES[1:])
    out = tmp_path / "both.svg"
    ended = run_care_bench("plot-run", first, second, "--out", out)
    assert (ended.returncode, ended.stderr) == (0, "")
    texts = {text.text for text in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}text")}
    assert {"digits/care/seed0", "digits/simclr/seed0", "loss", "invariance", "gradient_ratio"} <= texts
    assert out.with_suffix(".csv").read_text().startswith("run,term,step,mean,low,high\ndigits/care/seed0,loss,1,3.0")


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    one = run(tmp_path / "one", "digits/care/seed0", LINES)
    with pytest.raises(CareBenchError, match=r"has no pretrain.json; expected the folder of a finished run"):
        losses_plot([tmp_path])
    with pytest.raises(CareBenchError, match="digits/care/seed0 is drawn already"):
        losses_plot([one, one])
    with pytest.raises(CareBenchError, match="digits/untrained/seed0 took no step"):
        losses_plot([run(tmp_path / "two", "digits/untrained/seed0", [])])
    (one / "log.jsonl").write_text("{}\n")
    ended = run_care_bench("plot-run", one, "--out", tmp_path / "one.svg")
    assert ended.returncode == 2
    assert "log.jsonl was changed" in ended.stderr
    assert run_care_bench("plot-run", one, "--out", tmp_path / "one.gif").stderr.count("\n") == 1
