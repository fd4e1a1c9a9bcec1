"""Random resized crop: torchvision's distribution of boxes, and antialiased bilinear resampling per image."""

from __future__ import annotations

import torch
from torch import Tensor

TRIES = 10
"""Boxes that torchvision's RandomResizedCrop draws before it falls back to the central one."""


def draw_boxes(
    n: int,
    input_size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Draw crop boxes with the distribution of ``torchvision.transforms.RandomResizedCrop.get_params``.

    Args:
        n: number of boxes.
        input_size: (H, W) of the images.
        scale: range of the area of the box relative to the image, drawn uniformly.
        ratio: range of width / height, drawn uniformly in its logarithm.
        generator: CPU generator.

    Returns:
        (n, 4) int64 boxes (top, left, height, width) in pixels.
    """
    image = torch.tensor(input_size, dtype=torch.float64)
    uniform = torch.rand(n, TRIES, 2, generator=generator, dtype=torch.float64)
    corner = torch.rand(n, 2, generator=generator, dtype=torch.float64)

    area = image.prod() * (scale[0] + (scale[1] - scale[0]) * uniform[..., 0])
    aspect = ratio[0] * (ratio[1] / ratio[0]) ** uniform[..., 1]
    sizes = torch.stack([area / aspect, area * aspect], dim=2).sqrt().round()
    fits = ((sizes > 0) & (sizes <= image)).all(2)
    first = fits.int().argmax(1)  # the first try that fits
    size = sizes[torch.arange(n), first]
    room = image - size + 1
    start = torch.minimum((corner * room).floor(), room - 1)

    boxes = torch.cat([start, size], dim=1).long()
    central = boxes.new_tensor(_central_box(input_size, ratio))
    return torch.where(fits.any(1, keepdim=True), boxes, central)


def resized_crop(images: Tensor, box: Tensor, flip: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop, resize and mirror every image by its own parameters, as ``F.resized_crop`` (antialias) and ``F.hflip`` do.

    All three are linear along each axis: one matrix acts on the rows of pixels, one on the columns and mirrors them.
    A batched matrix product gives an image the same bits in every batch.

    Args:
        images: (n, C, H, W) float32.
        box: (n, 4) (top, left, height, width), int64, or float32 for boxes between pixels, on the same device. A box
            holds the pixels whose centres lie in it, at least one in each direction.
        flip: (n,) bool, on the same device.
        size: (h, w) of the result.

    Returns:
        (n, C, h, w) float32.
    """
    top, left, height, width = box.unbind(1)
    rows = _bilinear(top, height, images.shape[2], size[0])
    columns = _bilinear(left, width, images.shape[3], size[1], flip)
    n, channels, in_height, in_width = images.shape
    images = torch.bmm(images.reshape(n, channels * in_height, in_width), columns.transpose(1, 2))
    images = images.view(n, channels, in_height, size[1])
    return torch.stack([torch.bmm(rows, images[:, channel]) for channel in range(channels)], dim=1)


def _central_box(input_size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """Return the largest central box with an allowed ratio, torchvision's fallback."""
    height, width = input_size
    if width / height < ratio[0]:
        height = round(width / ratio[0])
    elif width / height > ratio[1]:
        width = round(height * ratio[1])
    return (input_size[0] - height) // 2, (input_size[1] - width) // 2, height, width


def _bilinear(start: Tensor, length: Tensor, in_size: int, out_size: int, mirror: Tensor | None = None) -> Tensor:
    """Return (n, out_size, in_size) weights that resample ``length`` pixels from ``start`` to ``out_size`` pixels.

    A triangle filter around the output pixel's centre, as wide as an output pixel where the crop shrinks (antialias)
    and as an input pixel where it grows, cut off at the crop and normalised. Computed in float32 and in the order of
    torch's own kernel, so that both round alike.
    """
    output = torch.arange(out_size, device=start.device)
    index = output.expand(len(start), -1)
    if mirror is not None:
        index = torch.where(mirror[:, None], output.flip(0), index)
    scale = length[:, None].float() / out_size
    centre = scale * (index + 0.5)
    inside = torch.arange(in_size, device=start.device) - start[:, None]  # position in the crop
    distance = (inside[:, None] - centre[..., None]).add_(0.5)
    weights = distance.mul_(scale.clamp(min=1.0).reciprocal()[..., None]).abs_().neg_().add_(1.0).clamp_(min=0.0)
    middle = inside + 0.5
    weights *= ((middle > 0) & (middle < length[:, None]))[:, None]
    return weights.div_(weights.sum(2, keepdim=True))
