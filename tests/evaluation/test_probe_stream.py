"""Training images of the released linear probes: draws, batch statistics, and what is left untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from care_bench.augmentations import ImageAugmentation
from care_bench.config import EvaluationConfig
from care_bench.data import PreparedDataset, load
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.probe_stream import ProbeStream
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.models import Encoder

CPU = torch.device("cpu")


class Normalised(Encoder):
    """Flattened images through BatchNorm."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64, momentum=0.5)), nn.Identity(), 64, 64)


@pytest.fixture(scope="module")
def digits(data: Path) -> PreparedDataset:
    return load("digits", data)


def augmentation(**changes: Any) -> ImageAugmentation:
    """Return an augmentation that changes nothing but what is asked for."""
    plain = dict.fromkeys(("flip_probability", "jitter_probability", "grayscale_probability", "blur_probability"), 0.0)
    settings = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0), "blur_kernel": 3, **plain, **changes}
    return ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.0,), std=(1.0,), **settings)


def stream(digits: PreparedDataset, encoder: Encoder, learns: bool, **changes: Any) -> ProbeStream:
    return ProbeStream.of(encoder, augmentation(**changes), digits, 512, learns, 0, CPU)


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64) / 255


def test_every_image_comes_once_an_epoch_with_its_label(digits: PreparedDataset) -> None:
    found = stream(digits, Flattened(), learns=True)
    first, second = (list(found.epoch(number)) for number in (0, 1))
    n = len(digits.train)
    assert [len(labels) for _, labels in first] == [512] * (n // 512) + [n % 512]
    for batches in (first, second):
        rows = torch.cat([rows for rows, _ in batches]).numpy()
        labels = torch.cat([labels for _, labels in batches]).numpy()
        mine = np.column_stack([rows, labels])
        expected = np.column_stack([flat(digits.train.inputs), digits.train.labels["class"]])
        assert np.unique(mine.round(4), axis=0) == pytest.approx(np.unique(expected.round(4), axis=0), abs=1e-4)
    assert not torch.equal(first[0][1], second[0][1])
    assert torch.equal(first[0][1], next(iter(found.epoch(0)))[1])


def test_draws_are_new_in_every_epoch(digits: PreparedDataset) -> None:
    found = stream(digits, Normalised(), learns=False, flip_probability=0.5)
    parts = [torch.cat([rows for rows, _ in found.epoch(number)]) for number in (0, 1)]
    assert not torch.equal(parts[0].sort(dim=0).values, parts[1].sort(dim=0).values)


def test_batchnorm_learns_where_the_release_lets_it_and_the_encoder_stays(digits: PreparedDataset) -> None:
    encoder = Normalised().eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = stream(digits, encoder, learns=True)
    batches = list(found.epoch(0))
    for rows, _ in batches:
        means = rows.numpy().mean(axis=0)
        assert means == pytest.approx(np.zeros(64), abs=1e-5)  # normalised by its own statistics
    mean = np.zeros(64)
    for images, _ in stream(digits, Flattened(), learns=True).epoch(0):
        mean = 0.5 * mean + 0.5 * images.double().numpy().mean(axis=0)
    norm = found.backbone[1]  # type: ignore[index]
    assert norm.running_mean.numpy() == pytest.approx(mean, abs=1e-5)
    features, labels = found.test()
    variance = norm.running_var.numpy().astype(np.float64)
    expected = (flat(digits.test.inputs) - mean) / np.sqrt(variance + 1e-5)
    assert features.numpy() == pytest.approx(expected, abs=1e-3)
    assert labels.tolist() == digits.test.labels["class"].tolist()
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not encoder.training


class Flattened(Encoder):
    """Flattened images."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Identity(), 64, 64)


def test_without_learning_the_running_statistics_normalise(digits: PreparedDataset) -> None:
    found = stream(digits, Normalised(), learns=False)
    rows = torch.cat([rows for rows, _ in found.epoch(0)]).numpy()
    assert np.sort(rows.sum(axis=1)) == pytest.approx(np.sort(flat(digits.train.inputs).sum(axis=1)), rel=1e-3)


def test_the_protocol_is_measured_if_it_is_asked_for(digits: PreparedDataset) -> None:
    protocol = PROTOCOLS["released-small-v1"]
    for asked in (False, True):
        settings = EvaluationConfig(augmented_probe=asked, classifier_seeds=2, samples=150)
        embedder = Embedder(Flattened(), augmentation(), digits, settings, CPU)
        (measured,) = protocol.measure(embedder.embedded("features"))
        if asked:
            assert measured.n == 2
            assert 50 < measured.value < 100
        else:
            assert measured.value is None
            assert measured.reason == "not asked for: evaluation.augmented_probe is false"


def test_the_augmentation_is_that_of_the_training_or_crops_and_flips(digits: PreparedDataset) -> None:
    settings = EvaluationConfig(augmented_probe=True)
    measured, trained = augmentation(), augmentation(jitter_probability=0.8, crop_scale=(0.3, 0.9))
    embedder = Embedder(Flattened(), measured, digits, settings, CPU, pretraining=trained)
    released, imagenet = map(
        embedder.embedded("features").probe_stream, ("released-small-v1", "augmented-imagenet100-v1")
    )
    assert released.augmentation == trained
    assert (released.batch, released.learns_statistics) == (512, True)
    assert (imagenet.batch, imagenet.learns_statistics) == (128, False)
    assert imagenet.augmentation.crop_scale == (0.08, 1.0)
    assert (imagenet.augmentation.flip_probability, imagenet.augmentation.jitter_probability) == (0.5, 0.0)
