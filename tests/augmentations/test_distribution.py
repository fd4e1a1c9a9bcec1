"""Settings that the augmentation and the configuration share."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

import care_bench.augmentations
from care_bench.augmentations.distribution import ImageDistribution


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_scale": (0.5, 0.2)}, r"crop_scale is \(0.5, 0.2\), expected .* 0 < low <= high <= 1"),
        ({"crop_scale": (0.0, 1.0)}, r"crop_scale is \(0.0, 1.0\), expected"),
        ({"crop_scale": (0.5, 1.5)}, r"crop_scale is \(0.5, 1.5\), expected"),
        ({"flip_probability": 1.5}, r"flip_probability is 1.5, expected a probability in \[0, 1\]"),
        ({"jitter_probability": -0.1}, "jitter_probability is -0.1, expected a probability"),
        ({"grayscale_probability": math.nan}, "grayscale_probability is nan, expected a probability"),
        ({"blur_probability": 2}, "blur_probability is 2, expected a probability"),
        ({"jitter": (0.4, 0.4, 0.4, 0.6)}, r"jitter is \(0.4, 0.4, 0.4, 0.6\), expected .* hue <= 0.5"),
        ({"jitter": (-0.1, 0.4, 0.4, 0.1)}, r"jitter is \(-0.1, 0.4, 0.4, 0.1\), expected .* >= 0"),
        ({"jitter": (0.4, 0.4, 0.4)}, r"jitter is \(0.4, 0.4, 0.4\), expected \(brightness"),
        ({"blur_sigma": (0.0, 1.0)}, r"blur_sigma is \(0.0, 1.0\), expected"),
        ({"blur_sigma": (2.0, 1.0)}, r"blur_sigma is \(2.0, 1.0\), expected"),
        ({"rotation_degrees": -1.0}, r"rotation_degrees is -1.0, expected degrees in \[0, 180\]"),
        ({"rotation_degrees": 180.5}, "rotation_degrees is 180.5, expected degrees"),
        ({"rotation_degrees": math.nan}, "rotation_degrees is nan, expected degrees"),
        ({"test_view": "center-crop"}, "test_view is 'center-crop', expected 'resize' or 'centre-crop'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageDistribution(**settings)


@pytest.mark.parametrize(
    ("kernel", "size"), [(4, (32, 32)), (0, (32, 32)), (3.0, (32, 32)), (9, (32, 4)), (9, (4, 32)), (-3, (32, 32))]
)
def test_a_kernel_that_does_not_fit_is_refused(kernel: Any, size: tuple[int, int]) -> None:
    message = rf"blur_kernel is {kernel}, expected an odd number with half of it below the sides of \({size[0]}, "
    with pytest.raises(ValueError, match=message):
        ImageDistribution(blur_kernel=kernel).check_view(size)


def test_a_kernel_that_just_fits_is_allowed() -> None:
    ImageDistribution(blur_kernel=9).check_view((32, 5))


def test_the_settings_import_no_torch_and_the_package_offers_every_name() -> None:
    code = (
        "import sys, care_bench.augmentations.distribution\n"
        "assert not {'torch', 'numpy', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    found: dict[str, object] = {}
    exec("from care_bench.augmentations import *", found)
    assert set(care_bench.augmentations.__all__) <= set(found)
    with pytest.raises(AttributeError, match=r"module 'care_bench.augmentations' has no attribute 'Rotation'"):
        _ = care_bench.augmentations.Rotation
