"""Colour jitter with one order of operations per image, and grayscale, on batches of float images."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.augmentations.parameters import OPERATIONS
from care_bench.augmentations.transfer import to_device

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(len(OPERATIONS))
LUMA = (0.2989, 0.587, 0.114)  # torchvision's weights of red, green, blue; they sum to 0.9999


def draw_order(n: int, generator: torch.Generator) -> Tensor:
    """Draw n uniform orders of the four operations, (n, 4) int64."""
    return torch.rand(n, len(OPERATIONS), generator=generator, dtype=torch.float64).argsort(dim=1)


def draw_factors(n: int, strengths: tuple[float, float, float, float], generator: torch.Generator) -> Tensor:
    """Draw factors as ``torchvision.transforms.ColorJitter`` does.

    Args:
        n: number of images.
        strengths: b, c, s, h; the first three give a factor U(max(0, 1 - x), 1 + x), the hue is U(-h, h) turns.
        generator: CPU generator.

    Returns:
        (n, 4) float32.
    """
    strength = torch.tensor(strengths, dtype=torch.float64)
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    low = torch.where(centre > 0, (centre - strength).clamp(min=0.0), -strength)
    uniform = torch.rand(n, len(OPERATIONS), generator=generator, dtype=torch.float64)
    return torch.lerp(low, centre + strength, uniform).float()


def jitter(images: Tensor, order: Tensor, factors: Tensor) -> Tensor:
    """Apply brightness, contrast, saturation and hue to every image in its own order, as ``F.adjust_*`` do.

    Three of the four are affine in a pixel's colour, followed by a clamp to [0, 1]: factor x + (1 - factor) y, where
    y is black (brightness), the image's mean gray (contrast) or the pixel's gray (saturation). So each of the four
    steps is one batched 3 x 3 product over all images, and a hue shift of the images whose current operation is hue.

    Args:
        images: (n, C, h, w) float32 in [0, 1], C = 1 or 3. With one channel saturation and hue change nothing.
        order: (n, 4) int64 on the CPU, so that selecting images does not wait for the device.
        factors: (n, 4) float32 on the CPU.

    Returns:
        (n, C, h, w) float32 in [0, 1].
    """
    if len(images) == 1:  # a batch of one uses another kernel, which may round differently
        return jitter(images.expand(2, -1, -1, -1), order.expand(2, -1), factors.expand(2, -1))[:1]
    channels, device = images.shape[1], images.device
    luma = luma_of(channels)
    luma_on_device = to_device(luma, device)
    pixels = images.flatten(2)
    for operation in order.unbind(1):
        factor = factors.gather(1, operation[:, None]).squeeze(1)
        factor = torch.where(operation == HUE, 1.0, factor)
        to_gray = torch.where(operation == SATURATION, 1 - factor, 0.0)
        to_mean = torch.where(operation == CONTRAST, 1 - factor, 0.0)
        colours = factor[:, None, None] * torch.eye(channels) + to_gray[:, None, None] * luma
        mean = (pixels.view(images.shape).mean(3).mean(2) * luma_on_device).sum(1)
        shift = to_device(to_mean, device) * mean
        pixels = torch.baddbmm(shift[:, None, None], to_device(colours, device), pixels).clamp_(0.0, 1.0)
        turned = ((operation == HUE) & (factors[:, HUE] != 0)).nonzero().squeeze(1)
        if channels == 3 and len(turned):
            rows = to_device(turned, device)
            turns = to_device(factors[turned, HUE], device)
            pixels.index_copy_(0, rows, turn_hue(pixels.index_select(0, rows), turns))
    return pixels.view(images.shape)


def grayscale(images: Tensor) -> Tensor:
    """Replace every channel by the pixel's gray, as ``F.rgb_to_grayscale`` does; (n, C, h, w) to the same shape."""
    luma = to_device(luma_of(images.shape[1]), images.device)
    gray = (images * luma[:, None, None]).sum(1, keepdim=True)
    return gray.expand_as(images)


def luma_of(channels: int) -> Tensor:
    """Return the weights of the channels in the gray image, (C,); a single channel is gray already."""
    return torch.tensor(LUMA if channels == 3 else (1.0,))


def turn_hue(pixels: Tensor, turns: Tensor) -> Tensor:
    """Add ``turns`` (n,) to the hue of every pixel (n, 3, p) in HSV, keeping saturation and value.

    Hues are in sixths of a turn, which rounds less than turns. With a >= b >= c the channels in order of size
    the hue is |base + (b - c) / (a - c)|, where base depends on which channel is which; after the turn a channel is
    c + (a - c) clamp(2 - d, 0, 1), where d is the distance of the hue from the channel's own (red 0, green 2, blue 4).
    """
    red, green, blue = pixels.unbind(1)
    upper, lower = torch.maximum(green, blue), torch.minimum(green, blue)
    largest, middle = torch.maximum(red, upper), torch.minimum(red, upper)
    smallest = torch.minimum(middle, lower)
    chroma = largest.sub_(smallest)
    hue = middle.sub_(lower).div_(chroma.clamp(min=1e-20))  # gray has no hue: 0 / 1e-20
    not_red, blue_over_green = upper.gt_(red), lower.lt_(blue)  # 0 or 1: in place, because booleans are slow
    base = not_red.mul_((12 * blue_over_green).sub_(2)).sub_(blue_over_green, alpha=6)
    hue.add_(base).abs_()  # the base is 0 or -6 (red), -2 (green), 4 (blue)
    away = 6 * turns[:, None] - torch.arange(0, 6, 2, device=turns.device)
    distance = hue[:, None] + away[..., None]
    distance.sub_((distance / 6).round_(), alpha=6).abs_()
    return torch.addcmul(smallest[:, None], chroma[:, None], distance.clamp_(1.0, 2.0).sub_(2.0), value=-1)
