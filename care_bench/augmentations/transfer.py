"""Copies of tensors to another device."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on the device; a copy to an accelerator does not wait for the work queued there.

    A plain ``to`` waits until the accelerator has finished its queue, so the next views could not be prepared during a
    step. This copy joins the queue instead. The CPU's (pageable) memory is read before the call returns.
    """
    return tensor.to(device, non_blocking=device.type != "cpu")
