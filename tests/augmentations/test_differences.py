"""Differences of crop and colour, by hand and by an independent computation in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from care_bench.augmentations import ImageAugmentation, ImageParameters
from care_bench.augmentations.differences import crop_difference, jitter_strengths

JITTER = (0.4, 0.3, 1.5, 0.1)


def drawn(seed: int, n: int = 50, **changed: Any) -> ImageParameters:
    shapes: dict[str, Any] = {"input_size": (40, 60), "size": (32, 32), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    augmentation = ImageAugmentation(**shapes, jitter=JITTER, **changed)
    return augmentation.sample(n, torch.Generator().manual_seed(seed))


def parameters(box: list[int], flip: bool) -> ImageParameters:
    (row,) = [drawn(0, 1)]
    return ImageParameters(**{**vars(row), "box": torch.tensor([box]), "flip": torch.tensor([flip])})


def test_two_crops_by_hand() -> None:
    """Of 40 x 60 pixels: centres (10, 15) and (30, 30), sizes 20 x 30 and 20 x 60."""
    first, second = [0, 0, 20, 30], [20, 0, 20, 60]
    for flip, other_flip, across in [(False, False, -0.25), (True, False, 0.25), (False, True, -0.25)]:
        found = crop_difference(parameters(first, flip), parameters(second, other_flip))
        torch.testing.assert_close(found, torch.tensor([[-0.5, across, 0.0, -0.5]]))


@pytest.mark.parametrize("seed", [0, 1])
def test_crops_of_many_images_in_float64(seed: int) -> None:
    first, second = drawn(seed), drawn(seed + 10)
    expected = []
    for row in range(50):
        places = []
        for each in (first, second):
            top, left, height, width = each.box[row].tolist()
            across = (left + left + width) / 2 / 60
            if first.flip[row].item():
                across = 1 - across
            places.append(np.array([(top + top + height) / 2 / 40, across, height / 40, width / 60]))
        expected.append(places[0] - places[1])
    assert first.flip.any()
    assert not first.flip.all()
    np.testing.assert_allclose(crop_difference(first, second), np.array(expected), atol=1e-6)


def test_strengths_of_the_jitter_by_hand() -> None:
    """Ranges of 0.6 to 1.4, 0.7 to 1.3, 0 to 2.5 (it cannot be negative) and -0.1 to 0.1."""
    found = drawn(3)
    expected = np.zeros((50, 4))
    for row in range(50):
        if found.jitter[row]:
            brightness, contrast, saturation, hue = found.factors[row].double().tolist()
            expected[row] = [(brightness - 1) / 0.8, (contrast - 1) / 0.6, (saturation - 1) / 2.5, hue / 0.2]
    assert found.jitter.any()
    assert not found.jitter.all()
    strengths = jitter_strengths(found, JITTER)
    np.testing.assert_allclose(strengths, expected, atol=1e-6)
    assert strengths[:, [0, 1, 3]].abs().max() <= 0.5 + 1e-6


def test_an_operation_without_a_range_has_no_strength() -> None:
    strengths = jitter_strengths(drawn(4, jitter_probability=1.0), (0.4, 0.0, 0.4, 0.0))
    assert not strengths[:, [1, 3]].any()
    assert strengths[:, [0, 2]].all(dim=1).any()
