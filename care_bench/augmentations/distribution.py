"""Strengths and probabilities of the image augmentations. No torch here: configurations share these settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

TestView = Literal["resize", "centre-crop"]


@dataclass(frozen=True, kw_only=True)
class ImageDistribution:
    """Strengths and probabilities of SimCLR's image augmentations; the defaults are those of CARE for small images.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Range of the crop's area relative to the image."""
    flip_probability: float = 0.5
    """Probability of mirroring left and right."""
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    """Strength of brightness, contrast, saturation and hue, the hue in turns."""
    jitter_probability: float = 0.8
    """Probability of applying the jitter at all."""
    grayscale_probability: float = 0.2
    """Probability of removing the colour."""
    blur_probability: float = 0.5
    """Probability of blurring."""
    blur_kernel: int = 3
    """Side of the Gaussian kernel in pixels, odd."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the blur's standard deviation in pixels of the view."""
    rotation_degrees: float = 0.0
    """Largest rotation in the plane about the centre, in degrees, either way; 0: none."""
    test_view: TestView = "resize"
    """The view without augmentation: the whole image resized, or a crop of its centre at full scale."""

    def __post_init__(self) -> None:
        check_range("crop_scale", self.crop_scale, upper=1.0)
        for name in ("flip", "jitter", "grayscale", "blur"):
            check_probability(f"{name}_probability", getattr(self, f"{name}_probability"))
        check_jitter("jitter", self.jitter)
        check_range("blur_sigma", self.blur_sigma)
        check_degrees("rotation_degrees", self.rotation_degrees)
        if self.test_view not in get_args(TestView):
            raise ValueError(f"test_view is {self.test_view!r}, expected 'resize' or 'centre-crop'")

    def check_view(self, size: Sequence[int]) -> None:
        """Raise ValueError unless the kernel is odd and half of it fits into a view of ``size`` (height, width).

        The blur pads the view by half a kernel, reflecting it at its border, so the view has to be larger than that.
        """
        kernel = self.blur_kernel
        if not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0 or kernel // 2 >= min(size):
            expected = f"an odd number with half of it below the sides of {tuple(size)}"
            raise ValueError(f"blur_kernel is {kernel}, expected {expected}")


def check_probability(name: str, value: float) -> None:
    """Raise ValueError unless the value is in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value}, expected a probability in [0, 1]")


def check_range(name: str, value: Sequence[float], upper: float = math.inf) -> None:
    """Raise ValueError unless the value is a pair 0 < low <= high <= upper of finite numbers."""
    if len(value) != 2 or not 0.0 < value[0] <= value[1] <= upper or math.isinf(value[1]):
        limit = "" if math.isinf(upper) else f" <= {upper:g}"
        raise ValueError(f"{name} is {value}, expected a pair (low, high) with 0 < low <= high{limit}")


def check_degrees(name: str, value: float) -> None:
    """Raise ValueError unless the value is in [0, 180]."""
    if not 0.0 <= value <= 180.0:
        raise ValueError(f"{name} is {value}, expected degrees in [0, 180]")


def check_size(name: str, value: Sequence[int]) -> None:
    """Raise ValueError unless the value is a pair of positive integers."""
    if len(value) != 2 or not all(isinstance(pixels, int) and pixels > 0 for pixels in value):
        raise ValueError(f"{name} is {value}, expected (height, width) in pixels, both positive integers")


def check_jitter(name: str, value: Sequence[float]) -> None:
    """Raise ValueError unless the value has four non-negative strengths, the hue at most half a turn."""
    if len(value) != 4 or not all(0.0 <= strength < math.inf for strength in value) or value[3] > 0.5:
        raise ValueError(
            f"{name} is {value}, expected (brightness, contrast, saturation, hue), all >= 0 and the hue <= 0.5"
        )


def check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ValueError unless both have one finite number for each of one or three channels, std positive ones."""
    if len(mean) not in (1, 3) or not all(map(math.isfinite, mean)):
        raise ValueError(f"mean is {mean}, expected one finite number for each of 1 or 3 channels")
    if len(std) != len(mean) or not all(0.0 < value < math.inf for value in std):
        raise ValueError(f"std is {std}, expected as many positive numbers as mean has ({len(mean)})")


def check_centre(size: Sequence[int], input_size: Sequence[int]) -> None:
    """Raise ValueError if a centre crop of ``size`` is larger than images of ``input_size``."""
    if size[0] > input_size[0] or size[1] > input_size[1]:
        found = f"{tuple(size)} from {tuple(input_size)}"
        raise ValueError(f"test_view is 'centre-crop' of {found}, expected a smaller size")
