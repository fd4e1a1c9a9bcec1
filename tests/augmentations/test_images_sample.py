"""``sample`` against torchvision: two-sample tests on 10^4 draws with fixed seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torchvision.transforms import ColorJitter, GaussianBlur, RandomResizedCrop, RandomRotation

from care_bench.augmentations import ImageAugmentation, ImageParameters

N = 10_000
LEVEL = 1e-3  # significance level of every test; the seeds are fixed, so a test that passes always passes
PROBABILITIES = {"flip": 0.3, "jitter": 0.8, "grayscale": 0.2, "blur": 0.6}


def make(**settings: Any) -> ImageAugmentation:
    sizes = {"input_size": (48, 40), "size": (32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    probabilities = {f"{name}_probability": value for name, value in PROBABILITIES.items()}
    return ImageAugmentation(**{**sizes, **probabilities, **settings})


def drawn(n: int = N, seed: int = 1, **settings: Any) -> ImageParameters:
    return make(**settings).sample(n, torch.Generator().manual_seed(seed))


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def torchvision_boxes(n: int, input_size: tuple[int, int], scale: Any, ratio: Any) -> NDArray[np.int64]:
    image = torch.empty(3, *input_size)
    with global_seed(0):
        return np.array([RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(n)])


@pytest.mark.parametrize(
    ("input_size", "scale", "ratio"),
    [((48, 40), (0.08, 1.0), (3 / 4, 4 / 3)), ((24, 64), (0.3, 1.0), (0.5, 1.5))],
    ids=["usual", "often-central"],
)
def test_boxes_have_torchvisions_distribution(
    input_size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    ours = drawn(input_size=input_size, crop_scale=scale, crop_ratio=ratio).box.numpy()
    theirs = torchvision_boxes(N, input_size, scale, ratio)

    def features(boxes: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        top, left, height, width = boxes.T
        return {
            "top": top,
            "left": left,
            "height": height,
            "width": width,
            "bottom": top + height,
            "right": left + width,
            "area": height * width,
            "ratio": width / height,
        }

    found, expected = features(ours), features(theirs)
    for name, values in found.items():
        assert stats.ks_2samp(values, expected[name]).pvalue > LEVEL, name
        assert abs(len(np.unique(values)) - len(np.unique(expected[name]))) <= 0.1 * len(np.unique(values)), name
    assert ours[:, :2].min() == 0
    assert (found["bottom"].max(), found["right"].max()) == input_size


def test_place_of_a_box_is_uniform_given_its_size() -> None:
    boxes = drawn(crop_scale=(0.25, 0.25), crop_ratio=(1.0, 1.0)).box
    length = round(math.sqrt(0.25 * 48 * 40))
    assert (boxes[:, 2:] == length).all()
    counts = np.zeros((48 - length + 1, 40 - length + 1))
    np.add.at(counts, tuple(boxes[:, :2].T.numpy()), 1)
    assert stats.chisquare(counts.ravel()).pvalue > LEVEL


@pytest.mark.parametrize("input_size", [(8, 64), (64, 8)])
def test_the_box_is_central_if_no_box_fits(input_size: tuple[int, int]) -> None:
    scale, ratio = (0.9, 1.0), (3 / 4, 4 / 3)
    boxes = drawn(n=50, input_size=input_size, crop_scale=scale).box.numpy()
    assert (boxes == torchvision_boxes(50, input_size, scale, ratio)).all()
    # 64 x 8 and the ratio 4/3 (3/4): 8 x round(8 * 4/3) = 8 x 11 pixels, (64 - 11) // 2 = 26 from the border
    assert boxes[0].tolist() == ([0, 26, 8, 11] if input_size == (8, 64) else [26, 0, 11, 8])


def test_largest_central_square_where_only_squares_of_the_whole_area_are_allowed() -> None:
    assert drawn(n=3, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0)).box.tolist() == [[4, 0, 40, 40]] * 3


def test_the_whole_image_is_cropped_if_its_own_ratio_is_allowed() -> None:
    ratio = (40 / 48, 40 / 48)
    assert drawn(n=3, crop_scale=(1.0, 1.0), crop_ratio=ratio).box.tolist() == [[0, 0, 48, 40]] * 3


@pytest.mark.parametrize("strengths", [(0.4, 0.4, 0.4, 0.1), (1.7, 0.2, 0.9, 0.5)])
def test_factors_have_torchvisions_distribution(strengths: tuple[float, float, float, float]) -> None:
    ours = drawn(jitter=strengths).factors.numpy()
    peer = ColorJitter(*strengths)
    with global_seed(0):
        theirs = np.array(
            [peer.get_params(peer.brightness, peer.contrast, peer.saturation, peer.hue)[1:] for _ in range(N)]
        )
    for k in range(4):
        assert stats.ks_2samp(ours[:, k], theirs[:, k]).pvalue > LEVEL, k
        low, high = theirs[:, k].min(), theirs[:, k].max()
        np.testing.assert_allclose([ours[:, k].min(), ours[:, k].max()], [low, high], atol=2e-3 * (high - low))


def test_the_24_orders_are_equally_likely() -> None:
    counts = Counter(map(tuple, drawn().order.tolist()))
    assert set(counts) == set(permutations(range(4)))
    assert stats.chisquare(list(counts.values())).pvalue > LEVEL


def test_sigma_has_torchvisions_distribution() -> None:
    ours = drawn(blur_sigma=(0.1, 2.0)).sigma.numpy()
    with global_seed(0):
        theirs = np.array([GaussianBlur.get_params(0.1, 2.0) for _ in range(N)])
    assert stats.ks_2samp(ours, theirs).pvalue > LEVEL


@pytest.mark.parametrize("degrees", [25.0, 180.0])
def test_angles_have_torchvisions_distribution(degrees: float) -> None:
    angle = drawn(rotation_degrees=degrees).angle
    assert angle is not None
    assert angle.dtype == torch.float32
    ours = angle.numpy()
    with global_seed(0):
        theirs = np.array([RandomRotation.get_params([-degrees, degrees]) for _ in range(N)])
    assert stats.ks_2samp(ours, theirs).pvalue > LEVEL
    np.testing.assert_allclose([ours.min(), ours.max()], [-degrees, degrees], atol=2e-3 * degrees)
    assert np.abs(ours).max() <= degrees


def test_the_angle_is_drawn_last_and_only_where_images_rotate() -> None:
    still, turning = (torch.Generator().manual_seed(4) for _ in range(2))
    first, second = make().sample(50, still), make(rotation_degrees=10.0).sample(50, turning)
    assert first.angle is None
    assert torch.equal(second.to_vector()[:, :-1], first.to_vector())
    torch.rand(50, generator=still, dtype=torch.float64)  # one more number an image, and nothing else
    assert torch.equal(still.get_state(), turning.get_state())


def test_flags_have_their_probabilities_and_are_independent() -> None:
    parameters = drawn()
    flags = torch.stack([getattr(parameters, name) for name in PROBABILITIES], dim=1)
    for name, column in zip(PROBABILITIES, flags.T, strict=True):
        assert stats.binomtest(int(column.sum()), N, PROBABILITIES[name]).pvalue > LEVEL, name
    counts = Counter(map(tuple, flags.tolist()))
    cells = list(product([False, True], repeat=4))
    expected = [
        N * math.prod(p if flag else 1 - p for p, flag in zip(PROBABILITIES.values(), cell, strict=True))
        for cell in cells
    ]
    assert stats.chisquare([counts[cell] for cell in cells], expected).pvalue > LEVEL


def test_continuous_draws_are_independent_of_each_other_and_between_images() -> None:
    parameters = drawn(rotation_degrees=90.0)
    assert parameters.angle is not None
    rest = torch.stack([parameters.sigma, parameters.angle], dim=1)
    numbers = torch.cat([parameters.box.float()[:, :2], parameters.factors, rest], dim=1)
    columns = torch.cat([numbers[:-1], numbers[1:]], dim=1).numpy()  # an image and the next one
    correlation = stats.spearmanr(columns).statistic
    position = correlation[0, 1], correlation[8, 9]  # not independent: both grow as the box shrinks
    assert min(position) > 0.1
    correlation[[0, 1, 8, 9], [1, 0, 9, 8]] = 0.0
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 4.5 / math.sqrt(N)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_flags_of_probability_zero_and_one(probability: float) -> None:
    settings: dict[str, Any] = {f"{name}_probability": probability for name in PROBABILITIES}
    parameters = drawn(n=1000, **settings)
    for name in PROBABILITIES:
        assert (getattr(parameters, name) == bool(probability)).all()


def test_the_generator_alone_decides() -> None:
    with global_seed(0):
        first = drawn(n=50, seed=7).to_vector()
        torch.manual_seed(99)
        assert torch.equal(drawn(n=50, seed=7).to_vector(), first)
    assert not torch.equal(drawn(n=50, seed=8).to_vector(), first)
    generator = torch.Generator().manual_seed(7)
    augmentation = make()
    assert torch.equal(augmentation.sample(50, generator).to_vector(), first)
    assert not torch.equal(augmentation.sample(50, generator).to_vector(), first)


def test_impossible_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="n is 0, expected at least 1"):
        make().sample(0, torch.Generator())
    elsewhere: Any = SimpleNamespace(device=torch.device("cuda"))
    with pytest.raises(ValueError, match="generator is on cuda, expected a CPU generator"):
        make().sample(2, elsewhere)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_size": (0, 32)}, r"input_size is \(0, 32\), expected \(height, width\)"),
        ({"size": (32,)}, r"size is \(32,\), expected \(height, width\)"),
        ({"size": (32.0, 32)}, r"size is \(32.0, 32\), expected .* positive integers"),
        ({"crop_ratio": (2.0, 1.0)}, r"crop_ratio is \(2.0, 1.0\), expected"),
        ({"crop_ratio": (1.0, math.inf)}, r"crop_ratio is \(1.0, inf\), expected"),
        ({"flip_probability": 1.5}, "flip_probability is 1.5, expected a probability"),
        ({"size": (32, 4), "blur_kernel": 9}, r"blur_kernel is 9, expected .* below the sides of \(32, 4\)"),
        ({"size": (49, 40), "test_view": "centre-crop"}, r"test_view is 'centre-crop' of \(49, 40\) from \(48, 40\)"),
        ({"mean": (0.5, 0.5)}, r"mean is \(0.5, 0.5\), expected .* 1 or 3 channels"),
        ({"mean": (math.nan,) * 3}, "mean is .*, expected one finite number"),
        ({"std": (0.5,)}, r"std is \(0.5,\), expected as many positive numbers as mean has \(3\)"),
        ({"std": (0.5, 0.0, 0.5)}, r"std is \(0.5, 0.0, 0.5\), expected as many positive"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)
