"""The view without augmentation that imported encoders are given: that of the rows beside them, or a run's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, v2

from care_bench.artifacts import Record, read_records
from care_bench.config import EvaluationConfig, ImportedConfig, RunConfig, parse_profile
from care_bench.config.imported import ImportedSettings
from care_bench.data import load
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.imported import measure_imported
from care_bench.evaluation.run import evaluate
from care_bench.training.pretrain import pretrain
from tests.commands import run_care_bench

HERE = "tests.imported.test_plain_view"
FEW = {"samples": 24, "augmentations": 2}


def flat() -> nn.Module:
    """An encoder whose features are the pixels of its views, in [0, 1]."""
    return nn.Flatten()


def profile(test_view: str, **imported: Any) -> Any:
    digits = {
        "preset": "digits",
        "encoder": {"backbone": {"name": "convnet", "width": 4}, "projector": {"hidden": [8], "output": 6}},
        "augmentation": {"size": 6, "test_view": test_view},
        "training": {"steps": 2, "batch_size": 32},
        "methods": {"simclr": {"name": "simclr"}},
        "imported": {"flat": {"encoder": f"{HERE}:flat", **imported}},
    }
    return parse_profile({"profile": "p", "seeds": [0], "datasets": {"digits": digits}, "evaluation": FEW}, "here")


def seen(
    config: ImportedConfig, settings: EvaluationConfig, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Tensor, list[Record]]:
    """Return the features of the plain test samples, and the records."""
    kept: list[Embedder] = []
    ours = Embedder.__init__
    monkeypatch.setattr(Embedder, "__init__", lambda self, *of, **keys: (kept.append(self), ours(self, *of, **keys))[1])
    found = measure_imported(config, load("digits", data), settings, out, print)
    assert found.records is not None
    return kept[0].part("test")["pooled"], found.records


def plain_view(record: Record) -> str:
    view: str = json.loads(record.config)["provenance"]["plain_view"]
    return view


@pytest.mark.parametrize(
    ("test_view", "size", "words"),
    [
        ("centre-crop", 6, "centre-crop of 6 px, at 6 px"),
        ("centre-crop", 4, "centre-crop of 6 px, at 4 px"),  # as much of the image as the rows beside it see
        ("centre-crop", 12, "centre-crop of 6 px, at 12 px"),  # larger than the image
        ("resize", 6, "the whole image, at 6 px"),
    ],
)
def test_it_shows_what_the_rows_beside_it_see(
    test_view: str, size: int, words: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = profile(test_view, size=size)
    (config,), settings = parsed.imported(), parsed.measured("digits")
    features, records = seen(config, settings, data, tmp_path / "out", monkeypatch)
    images = torch.from_numpy(np.array(load("digits", data).test.inputs))
    rows = np.linspace(0, len(images), 24, endpoint=False).astype(int)
    taken = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            *([v2.CenterCrop(6)] if test_view == "centre-crop" else []),
            v2.Resize((size, size), InterpolationMode.BILINEAR, antialias=True),
        ]
    )
    expected = taken(images[rows]).flatten(1)
    assert torch.allclose(features, expected, atol=1e-6)
    assert {plain_view(record) for record in records} == {words}
    (run,) = parsed.runs()
    assert {record.evaluation for record in records} == {
        json.dumps(settings.recorded(run), sort_keys=True, separators=(",", ":"))
    }


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Path]:
    """A run that is tested on the centre of the image."""
    (config,) = profile("centre-crop").runs()
    return config, pretrain(config, data, tmp_path_factory.mktemp("runs") / "run").path


@pytest.mark.parametrize("given", [True, False])
def test_a_run_keeps_its_own(given: bool, run: tuple[RunConfig, Path], data: Path, tmp_path: Path) -> None:
    """Whatever the settings say, which are those of a profile with other views, or have none."""
    config, folder = run
    resized = profile("resize").measured("digits").augmentation
    own = evaluate(folder, data, EvaluationConfig(**FEW), tmp_path / "own.jsonl")
    imported = ImportedSettings.parse({"encoder": f"run:{folder}"}, "here")
    one = ImportedConfig(profile="p", dataset="digits", variant="mine", imported=imported)
    settings = EvaluationConfig(**FEW, augmentation=resized if given else None)
    found = measure_imported(one, load("digits", data), settings, tmp_path / "mine", print).records
    assert found is not None
    assert {plain_view(record) for record in found} == {"centre-crop of 6 px, at 6 px"}
    probed = {
        (record.protocol, record.metric, record.representation): record.value
        for record in found
        if record.protocol in ("knn-v1", "cached-v1", "paper-small-v1")  # of plain views alone
    }
    assert len(probed) == 6
    for record in own:
        place = (record.protocol, record.metric, record.representation)
        if place in probed:
            assert probed[place] == pytest.approx(record.value, rel=1e-3), place
    assert config.augmentation.test_view == "centre-crop"  # type: ignore[union-attr]


def test_settings_from_a_file_decide_it_and_another_one_replaces_no_records(data: Path, tmp_path: Path) -> None:
    def measured(test_view: str) -> Any:
        augmentation = {"kind": "image", "size": 4, "test_view": test_view, "blur_kernel": 3}
        (tmp_path / "settings.json").write_text(json.dumps({**FEW, "augmentation": augmentation}))
        return run_care_bench(
            "measure", "--encoder", f"{HERE}:flat", "--dataset", "digits", "--data", data, "--size", 8,
            "--out", tmp_path / "mine", "--settings", tmp_path / "settings.json",
        )  # fmt: skip

    ended = measured("centre-crop")
    assert ended.returncode == 0, ended.stderr
    assert "encoder mine: plain view: centre-crop of 4 px, at 8 px\n" in ended.stdout
    records = (tmp_path / "mine" / "records.jsonl").read_bytes()
    assert {plain_view(record) for record in read_records(tmp_path / "mine" / "records.jsonl")} == {
        "centre-crop of 4 px, at 8 px"
    }
    ended = measured("resize")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "of the plain view centre-crop of 4 px, at 8 px, which would be lost; these have the whole image" in line
    assert (tmp_path / "mine" / "records.jsonl").read_bytes() == records


def test_a_centre_larger_than_the_images_is_one_line(data: Path, tmp_path: Path) -> None:
    augmentation = {"kind": "image", "size": 9, "test_view": "centre-crop"}
    (tmp_path / "settings.json").write_text(json.dumps({"augmentation": augmentation}))
    ended = run_care_bench(
        "measure", "--encoder", f"{HERE}:flat", "--dataset", "digits", "--data", data, "--out", tmp_path / "mine",
        "--settings", tmp_path / "settings.json",
    )  # fmt: skip
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "test_view is 'centre-crop' of (9, 9) from (8, 8), expected a smaller size" in line
    assert not (tmp_path / "mine").exists()
