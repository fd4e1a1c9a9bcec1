"""SimCLR's image augmentation, and rotation in front of it, drawn and applied image by image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.augmentations.blur import gaussian_blur
from care_bench.augmentations.checks import check_draw, check_length
from care_bench.augmentations.colour import draw_factors, draw_order, grayscale, jitter
from care_bench.augmentations.crop import draw_boxes, resized_crop
from care_bench.augmentations.distribution import (
    ImageDistribution,
    check_centre,
    check_range,
    check_size,
    check_statistics,
)
from care_bench.augmentations.large import LARGE, large_views
from care_bench.augmentations.parameters import ImageParameters
from care_bench.augmentations.rotation import draw_angles, rotate
from care_bench.augmentations.transfer import to_device, to_float

VALUES_AT_ONCE = 2**19
"""Values of the images that a processor augments at a time (2 MiB as floats): more would leave its cache."""


@dataclass(frozen=True, kw_only=True)
class ImageAugmentation(ImageDistribution):
    """SimCLR's image augmentation of images of one size; strengths and probabilities as in :class:`ImageDistribution`.

    ``sample`` has the distributions of torchvision's RandomRotation, RandomResizedCrop, RandomHorizontalFlip,
    RandomApply([ColorJitter]), RandomGrayscale and RandomApply([GaussianBlur]), applied in this order; ``apply`` agrees
    with ``torchvision.transforms.functional`` on float tensors, image by image, to 1e-5. A rotation rounds the places
    of pixels in float32, as torchvision's does: to 1e-7 of the image's side, so that large noisy images differ by more
    than 1e-5. On a GPU the crop and the jitter need matrix products in full float32 (PyTorch's default); with TF32 they
    keep about three digits.

    Args:
        input_size: (H, W) of the input images, in pixels.
        size: (h, w) of the views, in pixels.
        crop_ratio: range of the crop's width / height.
        mean: per channel, subtracted at the end; its length (1 or 3) is the number of channels C.
        std: per channel, divided by at the end.
        centre: (h, w) of what a centre crop shows of an image, in pixels, scaled to ``size``; None: ``size``, unscaled.

    Raises:
        ValueError: an argument is out of its range; the message names it.

    Example:
        >>> augmentation = ImageAugmentation(input_size=(40, 40), size=(32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)
        >>> parameters = augmentation.sample(8, torch.Generator().manual_seed(0))
        >>> augmentation.apply(torch.rand(8, 3, 40, 40), parameters).shape
        torch.Size([8, 3, 32, 32])
    """

    input_size: tuple[int, int]
    size: tuple[int, int]
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    mean: tuple[float, ...]
    std: tuple[float, ...]
    centre: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("input_size", self.input_size)
        check_size("size", self.size)
        check_range("crop_ratio", self.crop_ratio)
        check_statistics(self.mean, self.std)
        self.check_view(self.size)
        if self.test_view == "centre-crop":
            check_size("centre", self.centre or self.size)
            check_centre(self.centre or self.size, self.input_size)
        elif self.centre is not None:
            raise ValueError(f"centre is {self.centre} and test_view {self.test_view!r}, expected 'centre-crop'")

    @property
    def shown(self) -> tuple[int, int, int, int]:
        """Top, left, height and width in pixels of what the view without augmentation shows of an image."""
        height, width = self.input_size
        if self.test_view != "centre-crop":
            return 0, 0, height, width
        part_height, part_width = self.centre or self.size
        return round((height - part_height) / 2), round((width - part_width) / 2), part_height, part_width

    def sample(self, n: int, generator: torch.Generator) -> ImageParameters:
        """Draw n independent augmentations.

        Args:
            n: number of images.
            generator: CPU generator; the draw depends on its state and n alone.

        Returns:
            n rows of parameters on the CPU.

        Raises:
            ValueError: n is not positive, or the generator is not on the CPU.
        """
        check_draw(n, generator)

        def uniform() -> Tensor:
            return torch.rand(n, generator=generator, dtype=torch.float64)

        low, high = self.blur_sigma
        return ImageParameters(
            input_size=(self.input_size[0], self.input_size[1]),
            box=draw_boxes(n, self.input_size, self.crop_scale, self.crop_ratio, generator),
            flip=uniform() < self.flip_probability,
            jitter=uniform() < self.jitter_probability,
            order=draw_order(n, generator),
            factors=draw_factors(n, self.jitter, generator),
            grayscale=uniform() < self.grayscale_probability,
            blur=uniform() < self.blur_probability,
            sigma=(low + (high - low) * uniform()).float(),
            angle=draw_angles(n, self.rotation_degrees, generator) if self.rotation_degrees > 0 else None,
        )

    @torch.no_grad()
    def apply(self, images: Tensor, parameters: ImageParameters) -> Tensor:
        """Augment image i by row i of the parameters: a pure function, with the same bits in any batch on the CPU.

        Args:
            images: (n, C, H, W) floating point in [0, 1], or uint8, on any device.
            parameters: n rows, best on the CPU: from the device they are copied back, which waits for it.

        Returns:
            (n, C, h, w) normalised float32 on the device of ``images``.

        Raises:
            ValueError: wrong shape or dtype, or parameters drawn for another number or size of images.
        """
        self._check(images)
        check_length("images", len(images), parameters)
        if tuple(parameters.input_size) != tuple(self.input_size):
            raise ValueError(f"parameters were drawn for images of {parameters.input_size}, expected {self.input_size}")
        drawn = parameters.to("cpu")
        with torch.autocast(images.device.type, enabled=False):
            if images.device.type != "cpu":
                return self._normalise(self._views(images, drawn))
            views = torch.empty(*images.shape[:2], *self.size)
            rows = max(1, VALUES_AT_ONCE // images[0].numel())
            for start in range(0, len(images), rows):
                some = slice(start, start + rows)
                self._normalise(self._views(images[some], drawn[some]), out=views[some])
            return views

    def _views(self, images: Tensor, drawn: ImageParameters) -> Tensor:
        device = images.device
        if drawn.angle is not None and len(rows := _rows(drawn.angle != 0)):
            pixels, index = to_float(images), to_device(rows, device)
            turned = rotate(pixels.index_select(0, index), drawn.angle[rows])
            images = pixels.index_copy(0, index, turned)  # the images may be the caller's
        if device.type == "cpu" and images.shape[2] * images.shape[3] > LARGE:
            return large_views(images, drawn, self.size, self.blur_kernel)
        box, flip = to_device(drawn.box, device), to_device(drawn.flip, device)
        pixels = resized_crop(to_float(images), box, flip, self.size)
        if len(rows := _rows(drawn.jitter)):
            index = to_device(rows, device)
            part = pixels.index_select(0, index)
            pixels.index_copy_(0, index, jitter(part, drawn.order[rows], drawn.factors[rows]))
        if len(rows := _rows(drawn.grayscale)):
            index = to_device(rows, device)
            pixels.index_copy_(0, index, grayscale(pixels.index_select(0, index)))
        if len(rows := _rows(drawn.blur)):
            index, sigma = to_device(rows, device), to_device(drawn.sigma[rows], device)
            pixels.index_copy_(0, index, gaussian_blur(pixels.index_select(0, index), sigma, self.blur_kernel))
        return pixels

    @torch.no_grad()
    def identity(self, images: Tensor) -> Tensor:
        """Return the images without augmentation, normalised: what is ``shown``, resized (antialiased, bilinear).

        Args:
            images: (n, C, H, W) as for :meth:`apply`.

        Returns:
            (n, C, h, w) normalised float32.

        Raises:
            ValueError: wrong shape or dtype.
        """
        self._check(images)
        pixels = to_float(images)
        top, left, height, width = self.shown
        pixels = pixels[:, :, top : top + height, left : left + width]
        if tuple(self.size) != (height, width):
            pixels = functional.interpolate(pixels, self.size, mode="bilinear", antialias=True)
        return self._normalise(pixels)

    @torch.no_grad()
    def middle(self, images: Tensor, area: float) -> Tensor:
        """Return the middle of the images without augmentation, resized to ``size`` and normalised.

        The box's sides are cut between pixels, so that its area is exact in images of any size; they have at least two
        pixels.

        Args:
            images: (n, C, H, W) as for :meth:`apply`.
            area: of the middle, relative to what :meth:`identity` shows of the image.

        Returns:
            (n, C, h, w) normalised float32.

        Raises:
            ValueError: wrong shape or dtype.
        """
        self._check(images)
        top, left, *shown = self.shown
        sides = [max(2.0, side * area**0.5) for side in shown]
        starts = [start + (part - side) / 2 for start, part, side in zip((top, left), shown, sides, strict=True)]
        box = torch.tensor([[*starts, *sides]], device=images.device).expand(len(images), 4)
        with torch.autocast(images.device.type, enabled=False):
            still = torch.zeros(len(images), dtype=torch.bool, device=images.device)
            return self._normalise(resized_crop(to_float(images), box, still, self.size))

    def _check(self, images: Tensor) -> None:
        expected = (len(self.mean), *self.input_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ValueError(f"images has shape {tuple(images.shape)}, expected (n, {', '.join(map(str, expected))})")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images has dtype {images.dtype}, expected uint8 or floating point in [0, 1]")

    def _normalise(self, pixels: Tensor, out: Tensor | None = None) -> Tensor:
        statistics = torch.tensor([self.mean, self.std], dtype=pixels.dtype)
        mean, std = to_device(statistics, pixels.device)[:, :, None, None].unbind()
        return torch.sub(pixels, mean, out=out).div_(std)


def _rows(flags: Tensor) -> Tensor:
    return flags.nonzero().squeeze(1)
