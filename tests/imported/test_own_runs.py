"""A run of care_bench as an imported encoder: the same numbers as its own evaluation has."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.artifacts import read_records
from care_bench.artifacts.collecting import collect_profile
from care_bench.config import EvaluationConfig, Profile, RunConfig, parse_profile
from care_bench.config.imported import ImportedSettings
from care_bench.data import load, prepare
from care_bench.errors import CareBenchError
from care_bench.evaluation.imported import measure_imported
from care_bench.evaluation.run import evaluate
from care_bench.imported import Inputs, load_imported
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.folder import RunFolder
from care_bench.runs.weights import load_encoder_weights
from care_bench.training.pretrain import pretrain
from tests.commands import run_care_bench

PROFILE: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0],
    "datasets": {
        name: {
            "preset": name,
            "encoder": {"backbone": backbone, "projector": {"hidden": [8], "output": 6}},
            "training": {"steps": 3, "batch_size": 32},
            "methods": {"simclr": {"name": "simclr"}},
        }
        for name, backbone in {
            "digits": {"name": "convnet", "width": 4},
            "proteins": {"name": "deepset", "width": 8},
        }.items()
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("digits", "tinted_digits", "proteins"):
        prepare(name, root)
    return root


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[RunConfig, Path]]:
    configs = {run.dataset: run for run in parse_profile(PROFILE, "here").runs()}
    folder = tmp_path_factory.mktemp("runs")
    return {name: (run, pretrain(run, data, folder / name).path) for name, run in configs.items()}


def inputs_of(name: str, data: Path) -> Inputs:
    dataset = load(name, data)
    return Inputs(dataset.kind, dataset.train.inputs.shape[1:], tuple(dataset.mean), tuple(dataset.std), dataset.sha256)


def imported(folder: Path, **keys: Any) -> ImportedSettings:
    return ImportedSettings.parse({"encoder": f"run:{folder}", **keys}, "here")


@pytest.mark.parametrize("name", ["digits", "proteins"])
def test_its_layers_are_the_run_s_representations(
    name: str, runs: dict[str, tuple[RunConfig, Path]], data: Path
) -> None:
    config, folder = runs[name]
    dataset = load(name, data)
    found = load_imported(imported(folder), inputs_of(name, data), "encoder x")
    own = build_run_encoder(config, dataset)
    load_encoder_weights(own, folder / "encoder.safetensors", config.sha256())
    samples = torch.from_numpy(np.array(dataset.test.inputs[:9]))
    views = build_augmentation(config.augmentation, dataset, "here").identity(samples)
    with torch.no_grad():
        expected = own.eval().represent(views)
        given = samples.float() / 255 if name == "digits" else samples
        rows = found.encoder.represent(given)
    torch.testing.assert_close(rows["pooled"], expected["features"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(rows["projector"], expected["projection"], rtol=1e-5, atol=1e-6)


def test_a_seed_beside_the_weights_of_a_run_is_refused(tmp_path: Path) -> None:
    arguments = ("--dataset", "digits", "--out", tmp_path / "mine", "--seed", "0")
    ended = run_care_bench("measure", "--encoder", "run:mine", *arguments)
    assert ended.returncode == 2
    said = "care-bench: --seed is for weights that no file gives, and run:mine gives them; expected none"
    assert ended.stderr.splitlines() == [said]


def test_its_records_are_those_of_its_evaluation(
    runs: dict[str, tuple[RunConfig, Path]], data: Path, tmp_path: Path
) -> None:
    config, folder = runs["digits"]
    settings = EvaluationConfig(samples=60, augmentations=3, augmentation=config.augmentation)
    own = evaluate(folder, data, settings, tmp_path / "own.jsonl")
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    ended = run_care_bench(
        "measure", "--encoder", f"run:{folder}", "--dataset", "digits", "--data", data, "--out", tmp_path / "mine",
        "--settings", tmp_path / "settings.json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = read_records(tmp_path / "mine" / "records.jsonl")
    assert len(found) == len(own)
    assert found[0].evaluation == own[0].evaluation
    by_place = {(one.protocol, one.metric, one.representation): one.value for one in found}
    for record in own:
        value = by_place[record.protocol, record.metric, record.representation]
        assert (value is None) == (record.value is None)
        if record.value is not None:
            assert value == pytest.approx(record.value, rel=2e-3, abs=1e-4), (record.protocol, record.metric)


def test_records_of_another_run_are_not_collected(
    runs: dict[str, tuple[RunConfig, Path]], data: Path, tmp_path: Path
) -> None:
    config, folder = runs["digits"]
    files = (RunFolder(folder).encoder, RunFolder(folder).summary)
    assert imported(folder).files == files
    other = pretrain(config.model_copy(update={"seed": 1}), data, tmp_path / folder.name).path

    def profile(of: Path) -> Profile:
        content = {"digits": {"preset": "digits", "imported": {"mine": {"encoder": f"run:{of}"}}}}
        evaluation = {"samples": 24, "augmentations": 2}
        return parse_profile({"profile": "p", "seeds": [0], "datasets": content, "evaluation": evaluation}, "here")

    one = profile(folder)
    (run,) = one.imported()
    measure_imported(run, load("digits", data), one.measured("digits"), tmp_path / "runs" / run.id, print)
    record = read_records(tmp_path / "runs" / run.id / "records.jsonl")[0]
    hashed = json.loads(record.config)["provenance"]["made_by"]["weights_sha256"]
    assert hashed == hashlib.sha256(files[0].read_bytes()).hexdigest()
    collect_profile(one, tmp_path / "runs", tmp_path / "collected" / "p")
    with pytest.raises(CareBenchError, match=r"another encoder\.safetensors than .* of profile p; measure it again"):
        collect_profile(profile(other), tmp_path / "runs", tmp_path / "collected" / "p")


def test_other_data_need_the_statistics(runs: dict[str, tuple[RunConfig, Path]], data: Path) -> None:
    _, folder = runs["digits"]
    with pytest.raises(CareBenchError, match="was trained on other data, normalised by the statistics of digits"):
        load_imported(imported(folder), inputs_of("tinted_digits", data), "encoder x")
    with pytest.raises(CareBenchError, match="takes images, the data are point_clouds"):
        load_imported(imported(folder), inputs_of("proteins", data), "encoder x")
    grey = Inputs("image", (1, 8, 8), (0.1,), (0.2,), "another")
    assert load_imported(imported(folder, mean=[0.3], std=[0.4]), grey, "encoder x").provenance["mean"] == [0.3]
    with pytest.raises(CareBenchError, match="has its own weights"):
        load_imported(imported(folder, weights="other.pth"), inputs_of("digits", data), "encoder x")
