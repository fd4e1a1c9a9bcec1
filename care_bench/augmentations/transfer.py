"""Copies to the device on which the work is done."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on a device; towards an accelerator without waiting for the work it still has.

    A plain ``to`` returns when the accelerator has done everything it was given before, so the next views could not be
    prepared during a step. This copy takes its place in the queue. Ordinary memory is read before the call returns.
    """
    return tensor.to(device, non_blocking=device.type != "cpu")
