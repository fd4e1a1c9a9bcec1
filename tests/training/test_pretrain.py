"""Pretraining: the log, the summary, the schedule, the global state, and one-line errors for bad input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from care_bench.config import RunConfig
from care_bench.data import Split, load
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes, write_json
from care_bench.runs.build import build_augmentation
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import pretrain

Make = Callable[..., RunConfig]


def log_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_term_of_every_step_is_logged_and_the_loss_is_their_weighted_sum(
    tiny: Make, data: Path, tmp_path: Path
) -> None:
    lines = log_lines(pretrain(tiny(), data, tmp_path / "run").log)
    assert [line["step"] for line in lines] == list(range(1, 8))
    assert [line["step"] for line in lines if "gradient_ratio" in line] == list(range(1, 8))  # as many as are asked for
    for line in lines:
        assert line.keys() - {"gradient_ratio"} == {
            "step",
            "learning_rate",
            "loss",
            "invariance",
            "uniformity",
            "equivariance",
        }
        expected = line["invariance"] + line["uniformity"] + 0.3 * line["equivariance"]
        assert line["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_warm_up_takes_steps_or_epochs(tiny: Make, data: Path, tmp_path: Path) -> None:
    adam = {"name": "adam", "learning_rate": 0.8}
    steps = tiny(warmup_steps=4, optimizer=adam, schedule="constant")
    rates = [line["learning_rate"] for line in log_lines(pretrain(steps, data, tmp_path / "steps").log)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8])
    epochs = tiny(warmup_epochs=1, steps=3, batch_size=400, optimizer=adam, schedule="constant")
    per_epoch = len(load("digits", data).train) // 400  # the last, smaller batch is dropped
    rates = [line["learning_rate"] for line in log_lines(pretrain(epochs, data, tmp_path / "epochs").log)]
    assert rates == pytest.approx([0.8 * min(1, step / per_epoch) for step in (1, 2, 3)])


def test_some_samples_are_a_smaller_training_split(
    tiny: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = pretrain(tiny(samples=100), data, tmp_path / "few")
    whole = load("digits", data)
    rows = [place * len(whole.train) // 100 for place in range(100)]
    smaller = dataclasses.replace(whole, train=Split(whole.train.inputs[rows], {}))
    monkeypatch.setattr("care_bench.training.pretrain.load", lambda *_: smaller)
    same = pretrain(tiny(), data, tmp_path / "same")
    first, second = (load_file(folder.encoder) for folder in (few, same))
    assert all(torch.equal(first[name], second[name]) for name in second)
    with pytest.raises(CareBenchError, match="batch_size = 32 exceeds the 20 training samples"):
        pretrain(tiny(samples=20), data, tmp_path / "fewer")


def test_the_summary_describes_the_run(tiny: Make, data: Path, tmp_path: Path) -> None:
    config = tiny()
    folder = pretrain(config, data, tmp_path / "run")
    summary = folder.check(config)
    assert summary.steps == 7
    assert summary.images_per_second == pytest.approx(7 * 32 / summary.seconds, rel=0.01)
    assert summary.device.startswith(("cpu: ", "cuda: "))
    assert summary.data_sha256 == load("digits", data).sha256
    assert json.loads(folder.config.read_text()) == config.model_dump(mode="json")


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tiny: Make, data: Path, tmp_path: Path) -> None:
    first, again, other = (pretrain(tiny(seed=s), data, tmp_path / f"{i}") for i, s in enumerate((0, 0, 1)))
    assert first.encoder.read_bytes() == again.encoder.read_bytes()
    assert first.log.read_bytes() == again.log.read_bytes()
    assert first.log.read_bytes() != other.log.read_bytes()


def test_fidelities_differ_by_scale_and_by_sharing(tiny: Make, data: Path, tmp_path: Path) -> None:
    care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3}
    first = {}
    for fidelity in ("paper", "released-code"):
        config = tiny({**care, "fidelity": fidelity, "sharing": "batch"})
        first[fidelity] = log_lines(pretrain(config, data, tmp_path / fidelity).log)[0]["equivariance"]
    assert first["released-code"] / first["paper"] == pytest.approx(2 * (32 // 4 - 1), rel=1e-5)
    chunked = log_lines(pretrain(tiny(), data, tmp_path / "chunk").log)[0]["equivariance"]
    assert chunked != pytest.approx(first["paper"], rel=1e-3)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_loss_that_is_not_finite_stops_with_step_term_and_config(tiny: Make, data: Path, tmp_path: Path) -> None:
    config = tiny(optimizer={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(
        CareBenchError, match=r"step \d of run digits/tiny/seed0 \(config [0-9a-f]{12}\): \w+ is nan"
    ) as caught:
        pretrain(config, data, tmp_path / "run")
    assert config.sha256()[:12] in str(caught.value)
    assert not (tmp_path / "run" / "encoder.safetensors").exists()


def test_the_log_shows_the_learning_rate_of_the_step(tiny: Make, data: Path, tmp_path: Path) -> None:
    lines = log_lines(pretrain(tiny(schedule="constant"), data, tmp_path / "run").log)
    assert {line["learning_rate"] for line in lines} == {0.001}


def test_training_does_not_change_the_global_state(tiny: Make, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    pretrain(tiny(), data, tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_mixed_precision_trains_and_keeps_losses_in_float32(tiny: Make, data: Path, tmp_path: Path) -> None:
    low = log_lines(pretrain(tiny(precision="bf16-mixed"), data, tmp_path / "low").log)
    full = log_lines(pretrain(tiny(), data, tmp_path / "full").log)
    assert low[0]["loss"] != full[0]["loss"]
    assert low[0]["loss"] == pytest.approx(full[0]["loss"], rel=0.05)


def test_unusable_settings_are_named(tiny: Make, data: Path, tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"batch_size = 4096 exceeds the 1437 training samples of 'digits'"):
        pretrain(tiny(batch_size=4096), data, tmp_path / "new" / "a")
    assert not (tmp_path / "new").exists()
    config = tiny().model_copy(update={"dataset": "proteins"})
    with pytest.raises(CareBenchError, match=r"augmentation\.kind = 'image' does not apply to 'proteins'"):
        pretrain(config, data, tmp_path / "b")
    large = dataclasses.replace(tiny().augmentation, size=9, test_view="centre-crop")
    with pytest.raises(CareBenchError, match=r"here: augmentation: test_view is .centre-crop. of \(9, 9\)"):
        build_augmentation(large, load("digits", data), "here")


def test_an_unwritable_folder_is_named(tiny: Make, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CareBenchError, match=r"cannot write .*file"):
        pretrain(tiny(), data, tmp_path / "file" / "run")


def test_progress_in_a_log_is_plain_lines(
    tiny: Make, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(tiny(steps=20), data, tmp_path / "run")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("digits/tiny/seed0: step 20/20  loss ")
    assert "images/s" in lines[-1]
    assert "\x1b" not in "".join(lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="16-mixed is refused where there is no GPU")
def test_half_precision_without_a_gpu_is_refused(tiny: Make, data: Path, tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"training\.precision = '16-mixed' needs a GPU"):
        pretrain(tiny(precision="16-mixed"), data, tmp_path / "run")


@pytest.mark.parametrize("devices", [1, 2])
def test_a_finished_run_is_not_taken_for_one_on_other_data(
    devices: int, tiny: Make, data: Path, tmp_path: Path
) -> None:
    """One on several devices is looked at by the process that would start them."""
    config = tiny(devices=devices)
    finished(config, RunFolder(tmp_path / "run"), data_sha256="d" * 64)
    with pytest.raises(CareBenchError, match=r"run was trained on data d{12}, but .*digits now holds [0-9a-f]{12}"):
        pretrain(config, data, tmp_path / "run")
    assert pretrain(config, tmp_path / "no data", tmp_path / "run").read_summary() is not None


@pytest.mark.parametrize("devices", [1, 2])
def test_the_configuration_of_a_finished_run_is_written_again(
    devices: int, tiny: Make, data: Path, tmp_path: Path
) -> None:
    config, folder = tiny(devices=devices), RunFolder(tmp_path / "run")
    finished(config, folder, load("digits", data).sha256)
    folder.config.unlink()
    pretrain(config, data, folder.path).check(config)


def finished(config: RunConfig, folder: RunFolder, data_sha256: str) -> None:
    """Write a finished run by hand."""
    write_json(folder.config, config.model_dump(mode="json"))
    write_bytes(folder.encoder, b"weights")
    write_bytes(folder.log, b"log")
    hashes = {"weights_sha256": sha256_bytes(b"weights"), "log_sha256": sha256_bytes(b"log")}
    speed = {"steps": 7, "images_per_second": 1.5, "seconds": 2.0, "resumed": 0, "device": "cpu: x"}
    named = {"run": config.id, "torch": "2", "tf32": False, "config_sha256": config.sha256()}
    write_json(folder.summary, {**named, **speed, **hashes, "data_sha256": data_sha256, "snapshots": {}})
