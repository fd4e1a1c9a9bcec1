"""Copies of tensors to another device, and of images to floating point."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on the device; a copy to an accelerator does not wait for the work queued there.

    A plain ``to`` waits until the accelerator has finished its queue, so the next views could not be prepared during a
    step. This copy joins the queue instead. The CPU's (pageable) memory is read before the call returns.
    """
    return tensor.to(device, non_blocking=device.type != "cpu")


def to_float(images: Tensor) -> Tensor:
    """Return images, uint8 or floating point in [0, 1], as float32 in [0, 1]."""
    return images.float().div_(255.0) if images.dtype == torch.uint8 else images.float()
