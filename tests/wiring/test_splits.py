"""Which samples a protocol fits and which it tests: known answers, where train and test have nothing in common.

Every sample is an image that shows its class, or on purpose another one; the encoder embeds an image as its pixels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation
from torch import nn

from care_bench.augmentations import ImageAugmentation
from care_bench.config import EvaluationConfig
from care_bench.data import UNLABELLED, PreparedDataset, Split
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.models import Encoder
from care_bench.names import REPRESENTATIONS, Representation
from tests.wiring.conftest import in_memory

Array = np.ndarray[Any, Any]
CLASSES = 3
SETTINGS = EvaluationConfig(augmentations=2, classifier_seeds=2)
PROBES = ["cached-v1", "paper-small-v1", "knn-v1"]
PIXELS = Encoder(nn.Flatten(), nn.Identity(), 16, 16)


def shown(classes: list[int], seed: int) -> Array:
    """Return 4x4 images: the row of pixels of the class is bright, the others are dark and noisy."""
    images = np.random.default_rng(seed).integers(0, 40, (len(classes), 1, 4, 4), dtype=np.uint8)
    for image, one in zip(images, classes, strict=True):
        image[0, one] += 200
    return images


TRAIN = [i % CLASSES for i in range(60)]
TEST = [2, 2, 0, 1, 2, 0, 2, 1, 0, 2]
SAID = [2, 2, 0, 1, 2, 0, 2, 0, 1, 0]
"""Labels of the test samples: seven of ten are what the images show."""


def dataset(train: list[int], said: list[int] = SAID, seed: int = 0) -> PreparedDataset:
    """Return images of ``train`` with right labels, and of ``TEST`` with the labels ``said``."""
    splits = (
        Split(shown(classes, seed + i), {"class": np.asarray(labels)})
        for i, (classes, labels) in enumerate(((train, train), (TEST, said)))
    )
    return in_memory("digits", "image", *splits, mean=[0.0], std=[0.05])


def embedded(data: PreparedDataset, representation: Representation = "features") -> Embedded:
    view = ImageAugmentation(input_size=(4, 4), size=(4, 4), mean=tuple(data.mean), std=tuple(data.std))
    return Embedder(PIXELS, view, data, SETTINGS, torch.device("cpu")).embedded(representation)


def top1(name: str, data: PreparedDataset, representation: Representation = "features") -> float:
    (found,) = PROTOCOLS[name].measure(embedded(data, representation))
    assert found.value is not None
    return found.value


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("name", PROBES)
def test_a_probe_learns_from_train_and_is_tested_on_test(name: str, representation: Representation) -> None:
    """Fitted on test rows it would get all ten right; with labels in another order, fewer than seven."""
    if (name, representation) != ("paper-small-v1", "projection"):  # unit vectors are too short for 100 epochs
        assert top1(name, dataset(TRAIN), representation) == pytest.approx(70)


@pytest.mark.parametrize("name", ["cached-v1", "knn-v1"])
def test_a_test_sample_does_not_change_how_others_are_classified(name: str) -> None:
    """A scaler that saw the test rows would squeeze the others: twenty more of them are as bright as can be."""
    data = dataset(TRAIN)
    glare = np.full((20, 1, 4, 4), 255, dtype=np.uint8)
    alone = replace(data, test=Split(glare, {"class": np.zeros(20, dtype=np.int64)}))
    inputs = np.concatenate([data.test.inputs, glare])
    labels = {"class": np.concatenate([data.test.labels["class"], np.zeros(20, dtype=np.int64)])}
    both = replace(data, test=Split(inputs, labels), std=[0.0005])
    expected = (10 * top1(name, replace(data, std=[0.0005])) + 20 * top1(name, replace(alone, std=[0.0005]))) / 30
    assert top1(name, both) == pytest.approx(expected)


@pytest.mark.parametrize("name", PROBES)
def test_samples_without_a_label_are_in_no_probe(name: str) -> None:
    """Unlabelled samples that all show one class, before and between the others, change nothing."""
    data = dataset(TRAIN)
    inputs = np.concatenate([shown([1] * 90, seed=5), data.train.inputs])
    classes = np.concatenate([np.full(90, UNLABELLED), data.train.labels["class"]])
    order = np.random.default_rng(6).permutation(150)
    kept = order[order >= 90] - 90
    mixed = replace(data, train=Split(inputs[order], {"class": classes[order]}))
    bare = replace(data, train=Split(data.train.inputs[kept], {"class": data.train.labels["class"][kept]}))
    assert top1(name, mixed) == top1(name, bare) == pytest.approx(70)
    found = embedded(mixed)
    torch.testing.assert_close(found.train, embedded(bare).train)
    assert len(PROTOCOLS["retrieval-v1"].measure(found)) == 5
    assert found.labels(found.dataset.train).tolist() == bare.train.labels["class"].tolist()


def test_neighbours_are_train_samples_and_their_colours_train_labels() -> None:
    """Test samples all have a colour that their neighbours lack: the distance is the same wherever they are."""
    data = dataset(TRAIN)
    tints = {
        "train": np.tile(np.asarray(TRAIN, dtype=np.float32)[:, None], 3),
        "test": np.tile(np.asarray(TEST, dtype=np.float32)[:, None], 3) + 10,
    }
    for name, split in (("train", data.train), ("test", data.test)):
        split.labels["tint"] = tints[name]
    measured = PROTOCOLS["retrieval-v1"].measure(embedded(data))
    distances = np.linalg.norm(tints["test"][:, None] - tints["train"][None], axis=2)
    # The five nearest show the same class, so their distance is that of ten in each of three channels.
    assert measured[1].value == pytest.approx(10 * np.sqrt(3) / distances.mean(), rel=1e-5)


def turned(axis: list[float], count: int, seed: int) -> Array:
    """Return clouds that are long along an axis, of ten points each."""
    draw = np.random.default_rng(seed)
    lengths = draw.uniform(-1, 1, (count, 10, 1)) * draw.uniform(5, 6, (count, 1, 1))
    return (lengths * np.asarray(axis) + 0.1 * draw.standard_normal((count, 10, 3))).astype(np.float32)


def test_the_first_component_is_learnt_on_train_clouds_and_tested_on_test_clouds() -> None:
    """Train clouds lie along x and y, test clouds along z and x, and embeddings name the axis.

    The third axis is never seen in training: it is predicted as the mean of the two, at a right angle to z.
    """
    train = np.concatenate([turned([1, 0, 0], 40, 0), turned([0, 1, 0], 40, 1)])
    test = np.concatenate([turned([0, 0, 1], 30, 2), turned([1, 0, 0], 10, 3)])
    codes = np.repeat(np.eye(3)[[0, 1]], 40, axis=0), np.repeat(np.eye(3)[[2, 0]], [30, 10], axis=0)
    parts = {
        "train_augmented": torch.from_numpy(codes[0])[None],
        "train_clouds": torch.from_numpy(train)[None],
        "augmented": torch.from_numpy(codes[1])[None],
        "test_clouds": torch.from_numpy(test)[None],
    }
    data = in_memory("proteins", "point_cloud", Split(train, {}), Split(test, {}), mean=[], std=[])
    found = Embedded(data, SETTINGS, parts.__getitem__)
    r2, angle = PROTOCOLS["first-pc-v1"].measure(found)
    # z (30 clouds) is a right angle off, x (10 clouds) is right up to the noise of the clouds.
    assert angle.value == pytest.approx(90 * 30 / 40, abs=2)
    assert r2.value is not None
    assert r2.value < 0
    swapped = {
        name: parts[other]
        for one, two in (("train_augmented", "augmented"), ("train_clouds", "test_clouds"))
        for name, other in ((one, two), (two, one))
    }
    _, other = PROTOCOLS["first-pc-v1"].measure(Embedded(data, SETTINGS, swapped.__getitem__))
    assert other.value == pytest.approx(90 * 40 / 80, abs=2), "y is never seen then"


def test_reflections_are_no_rotations() -> None:
    """The first augmentation mirrors, the second one mirrors back, and each stretches along another axis.

    Over O(3) the maps would compose exactly. The best rotations put the mirror on the axis with the least variance,
    which is x for the first augmentation and y for the second.
    """
    z = np.random.default_rng(0).standard_normal((50, 3)) @ np.diag([3, 2, 1])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    mirrored, turned = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (z * [0.1, 1, -2], z * [1, 0.1, 2])
    )
    turned = Rotation.from_rotvec([0.4, 0, 0.9]).apply(turned)
    parts = {"test": z, "augmented": np.stack([mirrored, mirrored]), "composed": np.stack([turned, turned])}
    found = Embedded(dataset(TRAIN), SETTINGS, lambda name: torch.from_numpy(parts[name]))

    def best(source: Array, target: Array) -> Array:
        return np.asarray(Rotation.align_vectors(target, source)[0].as_matrix())

    error, worst, _, orthogonal = PROTOCOLS["wahba-v1"].measure(found)
    assert error.value == worst.value == pytest.approx(np.linalg.norm(mirrored - z @ best(z, mirrored).T), rel=1e-6)
    over_all = np.linalg.norm(mirrored - z @ orthogonal_procrustes(z, mirrored)[0])
    assert orthogonal.value == pytest.approx(over_all, rel=1e-6)
    assert orthogonal.value < 0.9 * error.value
    (composition,) = PROTOCOLS["composition-v1"].measure(found)
    apart = best(z, turned) - best(mirrored, turned) @ best(z, mirrored)
    assert composition.value == pytest.approx(np.sqrt(np.mean(np.sum((z @ apart.T) ** 2, axis=1))), rel=1e-6)
    assert composition.value > 0.5
