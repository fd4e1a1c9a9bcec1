"""`care-bench measure --floor`: the same encoder without its checkpoint, measured once and shown beside."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from safetensors.torch import save_file

from care_bench.artifacts import Record, read_records
from tests.commands import run_care_bench
from tests.forks import Ended


def checkpoint(encoders: Path, path: Path, scale: float) -> Path:
    """Weights of the grey encoder that differ from its initial ones by a factor."""
    module = runpy.run_path(str(encoders))["grey"]()
    save_file(
        {key: scale * value if value.is_floating_point() else value for key, value in module.state_dict().items()}, path
    )
    return path


def measure(encoders: Path, data: Path, out: Path, *options: str | Path) -> Ended:
    return run_care_bench(
        "measure", "--encoder", f"{encoders}:grey", "--dataset", "digits", "--data", data, "--out", out,
        "--samples", "40", *options,
    )  # fmt: skip


def values(folder: Path) -> dict[tuple[str, str], float | None]:
    return {(one.protocol, one.metric): one.value for one in read_records(folder / "records.jsonl")}


def test_the_floor_is_the_encoder_without_its_checkpoint(data: Path, encoders: Path, tmp_path: Path) -> None:
    mine, floor, alone = tmp_path / "mine", tmp_path / "floor", tmp_path / "alone"
    weights = checkpoint(encoders, tmp_path / "mine.safetensors", 3.0)
    ended = measure(encoders, data, mine, "--weights", weights, "--floor", floor)
    assert ended.returncode == 0, ended.stderr
    assert measure(encoders, data, alone).returncode == 0
    assert values(floor) == values(alone)
    assert values(floor) != values(mine)
    shown = next(line for line in ended.stdout.splitlines() if line.startswith("│ γ, median"))
    median = ("relative-equivariance-v1", "gamma_median")
    expected = [values(folder)[median] for folder in (mine, floor)]
    assert [float(cell) for cell in shown.split("│")[2:4]] == pytest.approx(expected, rel=1e-2)

    # Another checkpoint is read against the same records, which are not measured again.
    before = (floor / "records.jsonl").stat()
    other = checkpoint(encoders, tmp_path / "other.safetensors", 2.0)
    ended = measure(encoders, data, tmp_path / "other", "--weights", other, "--floor", floor)
    assert ended.returncode == 0, ended.stderr
    assert (floor / "records.jsonl").stat().st_ino == before.st_ino
    assert next(line for line in ended.stdout.splitlines() if line.startswith("┃ metric")).count("floor") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "is for the encoder without its checkpoint; expected --weights"),
        (("--weights", "mine.safetensors", "--floor", "mine"), "has the name of --out"),
        (("--weights", "mine.safetensors", "--layer", "projector"), "the checkpoint alone has the layer 'projector'"),
        (("--weights", "mine.safetensors", "--floor", "file"), "is no folder"),
        (("--weights", "mine.safetensors", "--floor", "other/mine"), "has the name of --out"),
        (("--encoder", "run:mine"), "run:mine is a run; expected none"),
    ],
)
def test_what_has_no_floor_is_refused(
    options: tuple[str, ...], said: str, data: Path, encoders: Path, tmp_path: Path
) -> None:
    checkpoint(encoders, tmp_path / "mine.safetensors", 3.0)
    (tmp_path / "file").touch()
    places = {name: tmp_path / name for name in ("mine.safetensors", "mine", "file", "other/mine")}
    given = [places.get(option, option) for option in options]
    ended = measure(encoders, data, tmp_path / "mine", "--floor", tmp_path / "floor", *given)
    assert ended.returncode == 2
    assert said in " ".join(ended.stderr.split())
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "floor").exists()


def test_a_folder_that_would_be_lost_is_refused_before_anything_is_measured(
    data: Path, encoders: Path, tmp_path: Path
) -> None:
    weights = checkpoint(encoders, tmp_path / "mine.safetensors", 3.0)
    assert measure(encoders, data, tmp_path / "first", "--weights", weights).returncode == 0
    ended = measure(encoders, data, tmp_path / "mine", "--weights", weights, "--floor", tmp_path / "first")
    assert ended.returncode == 2
    assert "first has the records of mine.py:grey with mine.safetensors on digits, which would be lost" in ended.stderr
    ended = measure(
        encoders,
        data,
        tmp_path / "first",
        "--floor",
        tmp_path / "floor",
        "--weights",
        checkpoint(encoders, tmp_path / "b.safetensors", 2.0),
    )
    assert ended.returncode == 2
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "floor").exists()


def test_one_record_of_the_floor_names_no_weights(data: Path, encoders: Path, tmp_path: Path) -> None:
    weights = checkpoint(encoders, tmp_path / "mine.safetensors", 3.0)
    ended = measure(encoders, data, tmp_path / "mine", "--weights", weights, "--floor", tmp_path / "floor")
    assert ended.returncode == 0
    first: Record = read_records(tmp_path / "floor" / "records.jsonl")[0]
    assert first.variant == "floor"
    assert '"weights":null' in first.config


def test_a_seed_beside_a_whole_checkpoint_is_for_the_floor_alone(data: Path, encoders: Path, tmp_path: Path) -> None:
    weights = checkpoint(encoders, tmp_path / "mine.safetensors", 3.0)
    ended = measure(encoders, data, tmp_path / "mine", "--weights", weights, "--seed", "1")
    assert ended.returncode == 2
    assert ended.stderr.endswith("mine.safetensors gives them; expected none\n")
    floor = ("--floor", tmp_path / "floor")
    assert measure(encoders, data, tmp_path / "mine", "--weights", weights, "--seed", "1", *floor).returncode == 0
