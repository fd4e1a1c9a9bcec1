"""Copies to an accelerator, without one: what torch is asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from care_bench.augmentations.transfer import STAGED, to_device

BATCH = torch.zeros(2, 3, 128, 128)


class Copies(TorchFunctionMode):
    """Notes copies to page-locked memory and to a device instead of doing them."""

    def __init__(self) -> None:
        self.pinned: list[torch.Tensor] = []
        self.asked: list[tuple[bool, torch.device, bool]] = []
        super().__init__()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ == "pin_memory":
            assert args[0].is_contiguous()
            self.pinned.append(args[0].clone())
            return self.pinned[-1]
        if func.__name__ == "to":
            pinned = any(args[0] is one for one in self.pinned)
            self.asked.append((pinned, args[1], kwargs["non_blocking"]))
            return args[0]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("batch", [BATCH, BATCH[:1].expand(2, 3, 128, 128), BATCH.transpose(1, 3)])
def test_a_batch_goes_to_a_gpu_through_page_locked_memory(batch: torch.Tensor) -> None:
    with Copies() as copies:
        found = to_device(batch, torch.device("cuda"))
    assert copies.asked == [(True, torch.device("cuda"), True)]
    assert torch.equal(found, batch)


@pytest.mark.parametrize(
    ("rows", "device"), [(STAGED, "cuda"), (2 * STAGED, "cpu"), (2 * STAGED, "xpu")], ids=["few", "cpu", "other"]
)
def test_few_bytes_and_other_devices_need_none(rows: int, device: str) -> None:
    with Copies() as copies:
        to_device(torch.zeros(rows, dtype=torch.uint8), torch.device(device))
    assert copies.asked == [(False, torch.device(device), device != "cpu")]
