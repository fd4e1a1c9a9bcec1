"""Measuring an imported encoder from the command line: the records, and what they are made of."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from care_bench.artifacts import Record, read_records
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import read_collection
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.report.build import write_report
from tests.commands import run_care_bench
from tests.forks import Ended
from tests.imported.conftest import ENCODER

FEW = ("--samples", "40")


@pytest.fixture(scope="module")
def measured(data: Path, encoders: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """What the command wrote and said for the grey encoder on digits."""
    out = tmp_path_factory.mktemp("measured") / "mine"
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:grey", "--dataset", "digits", "--data", data, "--out", out,
        "--layer", "pooled", "--layer", "0", *FEW,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return out, ended


def by_metric(records: list[Record]) -> dict[tuple[str, str, str], Record]:
    return {(record.variant, record.protocol, record.metric): record for record in records}


def test_the_records_name_where_all_comes_from(measured: tuple[Path, Ended], data: Path) -> None:
    records = read_records(measured[0] / "records.jsonl")
    assert {record.variant for record in records} == {"mine", "mine@0"}
    one = records[0]
    assert (one.method, one.backbone, one.profile, one.seed) == ("imported", "mine.py:grey", "measured", 0)
    assert one.data_sha256 == load("digits", data).sha256
    config = json.loads(one.config)
    assert config["provenance"]["made_by"]["mine.py"].startswith("sha256 ")
    assert config["provenance"]["layers"] == {"pooled": "6, as it is", "0": "8, mean over the map"}
    assert str(measured[0].parent) not in one.config  # no folder of this machine
    assert json.loads((measured[0] / "evaluate.json").read_text())["weights_sha256"] == one.weights_sha256


@pytest.mark.parametrize("row", ["mine", "mine@0"])
def test_recorded_numbers_are_those_of_the_layer_on_the_data(
    measured: tuple[Path, Ended], data: Path, row: str
) -> None:
    """kNN, recomputed with numpy from the module and the data."""
    scope: dict[str, Any] = {}
    exec(ENCODER, scope)  # the module of the fixture
    whole = scope["grey"]().eval()
    module = whole if row == "mine" else nn.Sequential(whole[0], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    dataset = load("digits", data)
    rows = {part: np.arange(40) * len(getattr(dataset, part)) // 40 for part in ("train", "test")}
    with torch.no_grad():
        pixels = {part: np.array(getattr(dataset, part).inputs[rows[part]]) for part in rows}
        embedded = {part: module(torch.from_numpy(one).float() / 255).double().numpy() for part, one in pixels.items()}
    unit = {part: found / np.linalg.norm(found, axis=1, keepdims=True) for part, found in embedded.items()}
    similarity = unit["test"] @ unit["train"].T
    nearest = similarity >= np.sort(similarity, axis=1)[:, -20:-19]
    weights = np.where(nearest, np.exp(similarity / 0.07), 0)
    labels = {part: getattr(dataset, part).labels["class"][rows[part]] for part in rows}
    votes = weights @ np.eye(10)[labels["train"]]
    expected = 100 * np.mean(votes.argmax(axis=1) == labels["test"])
    found = by_metric(read_records(measured[0] / "records.jsonl"))
    assert found[row, "knn-v1", "top1"].value == pytest.approx(expected, abs=1e-9)


def test_what_is_printed(measured: tuple[Path, Ended]) -> None:
    said, written = measured[1].stdout, read_records(measured[0] / "records.jsonl")
    assert "encoder mine: layer 0: 8 numbers, mean over the map" in said
    assert "distance to" in said
    progress = [line for line in measured[1].stderr.splitlines() if line.startswith("encoder mine: protocols ")]
    assert len(progress) == 10
    assert any(line.endswith(("-v1 of pooled", "-v1 of 0")) for line in progress)
    assert "protocols" not in said
    assert f"mine: {len(written)} records of 40 test samples in " in said


def test_a_collection_and_its_report_have_the_rows(measured: tuple[Path, Ended], tmp_path: Path) -> None:
    collect([measured[0] / "records.jsonl"], tmp_path / "collected" / "mine")
    assert {record.variant for record in read_collection(tmp_path / "collected" / "mine").records} == {"mine", "mine@0"}
    (tmp_path / "reference").mkdir()
    for path in (Path(__file__).parents[2] / "results" / "reference").iterdir():
        (tmp_path / "reference" / path.name).write_bytes(path.read_bytes())
    write_report(tmp_path, formats=["md"])
    page = (tmp_path / "report" / "all" / "report.md").read_text()
    assert "| mine (imported: mine.py:grey) |" in page
    assert "| mine@0 (imported: mine.py:grey) |" in page
    assert "mine, imported on digits: mine.py:grey (mine.py sha256 " in page


def test_an_edited_record_is_refused(measured: tuple[Path, Ended], tmp_path: Path) -> None:
    for path in measured[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "records.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "records.jsonl").write_bytes(b"".join(lines[1:]))
    with pytest.raises(CareBenchError, match="changed after it was measured"):
        collect([tmp_path / "records.jsonl"], tmp_path / "collected")


def test_a_folder_of_images_without_labels(encoders: Path, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    for number in range(12):
        pixels = draws.integers(0, 256, (20 + number, 24, 3), dtype=np.uint8)
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:colour", "--dataset", tmp_path / "pictures", "--out", tmp_path / "seen",
        "--augment", "colour,crop",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = by_metric(read_records(tmp_path / "seen" / "records.jsonl"))
    assert found["seen", "knn-v1", "top1"].reason == "pictures has no class labels"
    assert found["seen", "relative-equivariance-v1", "invariance"].value is not None
    assert "pictures" not in ended.stderr  # all of it was read
    drawn = json.loads(found["seen", "knn-v1", "top1"].evaluation)["augmentation"]
    assert (drawn["flip_probability"], drawn["blur_probability"]) == (0.0, 0.0)
    assert (drawn["jitter_probability"], drawn["crop_scale"]) == (0.8, [0.08, 1.0])


def test_what_was_not_read_is_said_at_the_end_and_recorded(encoders: Path, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    for number in range(12):
        (tmp_path / "pictures" / "a").mkdir(parents=True, exist_ok=True)
        pixels = draws.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / "a" / f"{number}.png")
    (tmp_path / "pictures" / "a" / "3.png").write_bytes(b"no image")
    (tmp_path / "pictures" / "a" / "3.tiff").touch()
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:colour", "--dataset", tmp_path / "pictures", "--out", tmp_path / "seen",
        "--skip-broken",
    )  # fmt: skip
    notes = ["1 of 12 images left out: a/3.png", "1 files with other suffixes (.tiff) are not read"]
    assert ended.stderr.splitlines()[-2:] == [f"{tmp_path / 'pictures'}: {note}" for note in notes]
    configs = {record.config for record in read_records(tmp_path / "seen" / "records.jsonl")}
    assert [json.loads(config)["provenance"]["data"] for config in configs] == [notes]


def test_point_clouds(encoders: Path, data: Path, tmp_path: Path) -> None:
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:points", "--dataset", "proteins", "--data", data,
        "--out", tmp_path / "p", *FEW,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = by_metric(read_records(tmp_path / "p" / "records.jsonl"))
    assert found["p", "held-out-wahba-v1", "held_out_wahba"].value is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--dataset", "digit"), "unknown data set 'digit': did you mean 'digits'?"),
        (("--dataset", "digits", "--augment", "color"), "unknown augmentation 'color': did you mean 'colour'?"),
        (("--dataset", "digits", "--augment", ","), "--augment names nothing"),
        (("--dataset", "proteins", "--augment", "crop"), "point clouds, which are rotated in space"),
        (("--dataset", "digits", "--mean", "0.5;0.5"), "--mean '0.5;0.5'; expected numbers with commas"),
        (
            ("--dataset", "digits", "--mean", "127.5", "--std", "60"),
            "encoder: mean: 127.5, and images are within 0 and 1",
        ),
        (("--dataset", "digits", "--mean", "0.5"), "encoder: mean without std; expected both or none"),
        (("--dataset", "digits", "--out", "my out"), "--out my out: its name 'my out' cannot be a folder; expected"),
        (("--dataset", "digits", "--out", "/"), "--out /: its name '' cannot be a folder; expected"),
        (("--dataset", "nowhere/pictures"), "no such folder or array file"),
        (("--dataset", "digits", "--layer", "7"), "unknown layer '7'"),
        (("--dataset", "digits", "--out", "pyproject.toml"), "--out pyproject.toml is no folder"),
        (("--dataset", "digits", "--weights", "no.pth"), "no.pth"),
        (("--dataset", "digits", "--skip-broken"), "--skip-broken is for a folder of images, and digits is prepared"),
    ],
)
def test_wrong_options_end_in_one_line(
    encoders: Path, data: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:grey", "--data", data, "--out", tmp_path / "x", *options
    )
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert said in lines[0]
    assert not (tmp_path / "x" / "records.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("mine.npy", "--verify", "--verify is for prepared data sets, and --dataset {} is read as it is"),
        ("mine.npy", "--skip-broken", "--skip-broken is for a folder of images, and --dataset {} is a file"),
        ("pictures", "--verify", "--verify is for prepared data sets, and --dataset {} is read as it is"),
    ],
)
def test_options_about_other_data_are_refused(
    encoders: Path, tmp_path: Path, name: str, option: str, said: str
) -> None:
    (tmp_path / "mine.npy").write_bytes(b"")
    (tmp_path / "pictures").mkdir()
    arguments = ("--encoder", f"{encoders}:grey", "--dataset", tmp_path / name, "--out", tmp_path / "x", option)
    ended = run_care_bench("measure", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [f"care-bench: {said.format(tmp_path / name)}; expected none"]


@pytest.mark.parametrize(("cores", "threads", "most"), [(1, 65, 64), (1, 2000, 64), (400, 2000, 1024)])
def test_too_many_threads_are_called_as_the_user_did(
    encoders: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, most: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:grey", "--dataset", "digits", "--data", data, "--out", tmp_path / "x",
        "--threads", str(threads),
    )  # fmt: skip
    assert ended.returncode == 2
    line = f"--threads = {threads}, and this machine offers {cores} cores; expected at most {most}"
    assert ended.stderr.splitlines() == [f"care-bench: {line}"]


def test_short_memory_halves_the_batch_and_says_so(
    measured: tuple[Path, Ended], encoders: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, tried = Embedder.make, []

    def make(self: Embedder, name: str) -> Any:
        tried.append(self.batch_size)
        if self.batch_size > 16:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return ours(self, name)

    monkeypatch.setattr(Embedder, "make", make)
    ended = run_care_bench(
        "measure", "--encoder", f"{encoders}:grey", "--dataset", "digits", "--data", data, "--out", tmp_path / "mine",
        "--layer", "pooled", "--layer", "0", *FEW,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "out of memory: it goes on with batches of 16" in ended.stdout
    assert tried[:6] == [512, 256, 128, 64, 32, 16]
    first, second = (read_records(path / "records.jsonl") for path in (measured[0], tmp_path / "mine"))
    assert [record.value for record in first] == pytest.approx([record.value for record in second], nan_ok=True)
