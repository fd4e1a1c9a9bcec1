"""BatchNorm: running statistics move in training, and decide in evaluation, whatever the batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.run import evaluate
from care_bench.names import REPRESENTATIONS
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.training.pretrain import pretrain
from tests.wiring.conftest import Make

CPU = torch.device("cpu")
PARTS = ("test", "augmented", "composed", "train", "train_augmented")


@pytest.mark.parametrize("batch_size", [1, 4])
def test_embeddings_do_not_depend_on_the_other_samples_of_a_batch(
    batch_size: int, run: Make, images: PreparedDataset
) -> None:
    """Also of an encoder that comes in training mode, whose running statistics must stay as they are."""
    config = run({"name": "simclr"})
    augmentation = build_augmentation(config.augmentation, images, "here")
    encoder = build_run_encoder(config, images)
    encoder.train()
    with torch.no_grad():
        for _ in range(3):
            encoder(torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    found = []
    for size in (batch_size, 10**6):
        encoder.train()
        settings = EvaluationConfig(augmentations=3, batch_size=size)
        found.append(Embedder(encoder, augmentation, images, settings, CPU))
    for part in PARTS:
        for name in REPRESENTATIONS:
            torch.testing.assert_close(found[0].part(part)[name], found[1].part(part)[name], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


def test_evaluation_divides_by_the_running_statistics(run: Make, images: PreparedDataset) -> None:
    config = run({"name": "simclr"})
    encoder = build_run_encoder(config, images)
    norm = nn.BatchNorm1d(64)
    norm.running_mean, norm.running_var = torch.linspace(-1, 1, 64), torch.linspace(0.5, 2, 64)
    encoder.backbone, encoder.projector = nn.Sequential(nn.Flatten(), norm), nn.Identity()
    augmentation = build_augmentation(config.augmentation, images, "here")
    embedder = Embedder(encoder, augmentation, images, EvaluationConfig(), CPU)
    pixels = (np.array(images.test.inputs, dtype=np.float64) / 255 - 0.5) / 0.25
    expected = (pixels.reshape(len(pixels), 64) - np.linspace(-1, 1, 64)) / np.sqrt(np.linspace(0.5, 2, 64) + 1e-5)
    np.testing.assert_allclose(embedder.part("test")["features"], expected, rtol=1e-4, atol=1e-5)
    length = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.part("test")["projection"], expected / length, rtol=1e-4, atol=1e-5)


def test_records_do_not_depend_on_the_batch_size(
    run: Make, images: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way from the weights of a run to its records."""
    many = replace(images, train=_twice(images.train), test=_twice(images.test))
    for module in ("training.pretrain", "evaluation.run"):
        monkeypatch.setattr(f"care_bench.{module}.load", lambda *_: many)
    quick = ("knn-v1", "wahba-v1", "cosine-v1", "retrieval-v1")
    monkeypatch.setattr("care_bench.evaluation.run.PROTOCOLS", {name: PROTOCOLS[name] for name in quick})
    folder = pretrain(run({"name": "simclr"}), tmp_path, tmp_path / "run")
    found = []
    for size in (3, 512):
        settings = EvaluationConfig(augmentations=2, classifier_seeds=1, batch_size=size)
        found.append(evaluate(folder.path, tmp_path, settings, tmp_path / f"{size}.jsonl"))
    for one, other in zip(*found, strict=True):
        assert (one.metric, one.reason) == (other.metric, other.reason)
        if one.value is not None:
            assert one.value == pytest.approx(other.value, rel=1e-3, abs=1e-4), one.metric
    assert (
        sum(record.value is not None for record in found[0])
        == 2 * sum(len(PROTOCOLS[name].metrics) for name in quick) - 8
    )  # no tints, no colours, no hues


def _twice(split: Split) -> Split:
    """Return a split with its samples and their negatives, so that 20 neighbours can vote."""
    inputs = np.concatenate([split.inputs, 255 - np.array(split.inputs)])
    return Split(inputs, {"class": np.tile(split.labels["class"], 2)})
