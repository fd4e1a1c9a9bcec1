"""Standardised augmentation parameters have mean 0 and standard deviation 1."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from care_bench.augmentations import Augmentation, ImageAugmentation, ImageParameters, RandomRotation3D
from care_bench.methods.parameter_vector import DRAWS, ParameterVector

FRESH = 40_000
IMAGES = {
    "usual": ImageAugmentation(input_size=(32, 32), size=(32, 32), mean=(0.5,) * 3, std=(0.25,) * 3),
    "larger-images": ImageAugmentation(
        input_size=(300, 200), size=(224, 224), crop_scale=(0.2, 1.0), blur_kernel=23, mean=(0.5,) * 3, std=(0.25,) * 3
    ),
    "turned": ImageAugmentation(
        input_size=(32, 32), size=(32, 32), rotation_degrees=30.0, mean=(0.5,) * 3, std=(0.25,) * 3
    ),
}


def standardise(augmentation: Augmentation, seed: int) -> tuple[ParameterVector, Tensor]:
    vector = ParameterVector(augmentation, torch.Generator().manual_seed(seed))
    fresh = vector(augmentation.sample(FRESH, torch.Generator().manual_seed(seed + 1)))
    assert fresh.dtype == torch.float32
    return vector, fresh.double()


def check(fresh: Tensor) -> None:
    """Check mean and standard deviation of new draws within four standard errors.

    Both the statistics of the vector and the new draws are estimates. The variance of a sample variance is
    (kurtosis - 1) / n; that is 0 for a fair coin, whose sample variance then varies by 1 / n.
    """
    pooled = math.sqrt(1 / DRAWS + 1 / FRESH)
    assert fresh.mean(dim=0).abs().max() < 4 * pooled
    kurtosis = ((fresh - fresh.mean(dim=0)) ** 4).mean(dim=0) / fresh.var(dim=0) ** 2
    error = (kurtosis - 1).clamp(min=0).sqrt() / 2 * pooled
    assert ((fresh.std(dim=0) - 1).abs() < 4 * error + 4 / DRAWS).all()


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("seed", [0, 10])
def test_fresh_image_draws_have_mean_0_and_standard_deviation_1(name: str, seed: int) -> None:
    vector, fresh = standardise(IMAGES[name], seed)
    assert vector.dimension == fresh.shape[1] == (18 if name == "turned" else 17)
    check(fresh)


@pytest.mark.parametrize("seed", [0, 10])
def test_rotations_are_nine_numbers_that_spread_over_a_third(seed: int) -> None:
    """An entry of a uniform rotation is a coordinate of a uniform point on the sphere of R^3, uniform on [-1, 1]."""
    vector, fresh = standardise(RandomRotation3D(), seed)
    assert vector.dimension == fresh.shape[1] == 9
    check(fresh)
    assert vector.mean.abs().max() < 4 / math.sqrt(3 * DRAWS)
    # with kurtosis 9 / 5 the relative standard error of the standard deviation is sqrt(0.8 / (4 n))
    assert (vector.scale / math.sqrt(3) - 1).abs().max() < 4 * math.sqrt(0.2 / DRAWS)


def test_known_distributions_are_recovered() -> None:
    vector, _ = standardise(IMAGES["usual"], 0)
    columns = ImageParameters.columns()
    for name, mean, deviation in [("flip", 0.5, 0.5), ("jitter", 0.8, 0.4), ("grayscale", 0.2, 0.4)]:
        k = columns.index(name)
        assert vector.mean[k].item() == pytest.approx(mean, abs=4 * deviation / math.sqrt(DRAWS))
        assert 1 / vector.scale[k].item() == pytest.approx(deviation, rel=4 / math.sqrt(DRAWS))
    turned, _ = standardise(IMAGES["turned"], 0)
    deviation = 30 / math.sqrt(3)  # of a uniform number in [-30, 30]
    assert turned.mean[-1].item() == pytest.approx(0, abs=4 * deviation / math.sqrt(DRAWS))
    assert 1 / turned.scale[-1].item() == pytest.approx(deviation, rel=4 / math.sqrt(DRAWS))


@pytest.mark.parametrize(
    ("settings", "constant"),
    [
        ({"flip_probability": 0.0}, {"flip"}),
        ({"blur_probability": 0.0}, {"blur", "sigma"}),
        ({"grayscale_probability": 1.0}, {"grayscale"}),
        (
            {"jitter_probability": 0.0},
            {"jitter", "brightness", "contrast", "saturation", "hue"}
            | {f"rank_{name}" for name in ("brightness", "contrast", "saturation", "hue")},
        ),
    ],
)
def test_constant_parameters_become_0_and_others_do_not(settings: dict[str, float], constant: set[str]) -> None:
    augmentation = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.5,), std=(0.25,), **settings)
    _, fresh = standardise(augmentation, 0)
    zero = {name for name, column in zip(ImageParameters.columns(), fresh.T, strict=True) if not column.any()}
    assert zero == constant
    check(fresh[:, [k for k, name in enumerate(ImageParameters.columns()) if name not in constant]])


def test_the_statistics_are_saved_with_the_method() -> None:
    one, other = (ParameterVector(RandomRotation3D(), torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert not torch.equal(one.scale, other.scale)
    other.load_state_dict(one.state_dict())
    drawn = RandomRotation3D().sample(4, torch.Generator().manual_seed(2))
    assert torch.equal(one(drawn), other(drawn))
