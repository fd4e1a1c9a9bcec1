"""Copies of tensors to another device, and of images to floating point."""

from __future__ import annotations

import torch
from torch import Tensor

STAGED = 2**16
"""Bytes of ordinary (pageable) memory that CUDA puts aside at once, so that their copy need not wait."""


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on the device; a copy to an accelerator does not wait for the work queued there.

    A plain ``to`` waits until the accelerator has finished its queue, so the next views could not be prepared during a
    step. This copy joins the queue instead. ``non_blocking`` alone does so for a few bytes only: CUDA takes more than
    ``STAGED`` out of pageable memory part by part, as its queue gets there. They go through page-locked memory, which
    torch keeps until they have been copied. The CPU's memory is read before the call returns in either case.
    """
    if device.type == "cuda" and tensor.device.type == "cpu" and tensor.nbytes > STAGED:
        tensor = tensor.contiguous().pin_memory()  # an expanded tensor cannot be pinned
    return tensor.to(device, non_blocking=device.type != "cpu")


def to_float(images: Tensor) -> Tensor:
    """Return images, uint8 or floating point in [0, 1], as float32 in [0, 1]."""
    return images.float().div_(255.0) if images.dtype == torch.uint8 else images.float()
