"""A device that needs no hardware: its tensors are on the CPU, and operations that a GPU would refuse are noted.

Importing this registers the device with torch for the rest of the process.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend


class Backend(_DummyBackendModule):
    """The module that torch expects for a device, like `torch.cuda`."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


_setup_privateuseone_for_python_backend("pretended", Backend())
THERE = torch.device("pretended:0")
HERE = torch.device("cpu")

WAITING = {"_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero", "_unique2"}
"""Operations whose result the CPU must wait for."""
INDEXING = {"index", "index_put_"}
REFUSED = {
    *("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "avg_pool3d_backward"),
    *("adaptive_max_pool2d_backward", "max_pool3d_with_indices_backward", "max_unpool2d", "max_unpool3d"),
    *("fractional_max_pool2d_backward", "fractional_max_pool3d_backward"),
    *("reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward"),
    *("upsample_linear1d_backward", "upsample_bilinear2d_backward", "_upsample_bilinear2d_aa_backward"),
    *("upsample_bicubic2d_backward", "_upsample_bicubic2d_aa_backward", "upsample_trilinear3d_backward"),
    *("grid_sampler_2d_backward", "grid_sampler_3d_backward", "nll_loss2d_forward", "_ctc_loss_backward"),
    *("histc", "kthvalue", "median.dim", "nanmedian.dim", "put_"),
}
"""Operations that ``torch.use_deterministic_algorithms`` refuses on a GPU, according to its documentation."""


class There(Tensor):
    """A tensor on the device; ``kept`` holds its values."""

    kept: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, kept: Tensor) -> There:
        places = {"strides": kept.stride(), "storage_offset": kept.storage_offset()}
        with torch.inference_mode(False):  # a view is made like its base, also in inference mode
            tensor = Tensor._make_wrapper_subclass(cls, kept.shape, dtype=kept.dtype, device=THERE, **places)
        tensor.kept = kept
        return tensor

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        raise RuntimeError(f"{operation} outside of pretended_device()")


class Watch(TorchDispatchMode):
    """Executes operations of the device and notes mistakes; it continues after one, so that all are found.

    Attributes:
        waits: where the CPU waited for the device.
        mistakes: where a GPU would have raised an error: tensors of both devices in one operation, a CPU generator for
            random numbers on the device, an operation without a deterministic algorithm.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.mistakes: list[str] = []

    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = named or {}
        leaves = [leaf for group in (*arguments, *named.values()) for leaf in _flat(group)]
        there = [leaf for leaf in leaves if isinstance(leaf, There)]
        if not there and THERE not in [leaf for leaf in leaves if isinstance(leaf, torch.device)]:
            return operation(*arguments, **named)
        if torch.is_inference_mode_enabled():  # composite operations arrive here before they are decomposed
            with self:
                parts = operation.decompose(*arguments, **named)
            if parts is not NotImplemented:
                return parts
        self._look(operation, arguments, named, leaves)
        result = operation(*map(_kept, arguments), **{name: _kept(value) for name, value in named.items()})
        if operation._schema.name == "aten::copy_":
            return arguments[0]
        if named.get("device", THERE) != THERE:
            return result
        if isinstance(result, Tensor):
            result = There(result)
        elif isinstance(result, list | tuple):
            result = type(result)(There(leaf) if isinstance(leaf, Tensor) else leaf for leaf in result)
        return return_and_correct_aliasing(operation, arguments, named, result) if there else result

    def _look(self, operation: Any, arguments: Any, named: Any, leaves: list[Any]) -> None:
        name = operation._schema.name.removeprefix("aten::")
        here = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, There)]
        if name in ("_to_copy", "copy_"):
            target = arguments[0].device if name == "copy_" else named.get("device") or arguments[0].device
            source = arguments[name == "copy_"].device
            if source != target and not (target == THERE and (named.get("non_blocking") or True in arguments[2:])):
                self.waits.append(f"a copy to {target.type} at {_place()}")
            return
        if name in INDEXING:
            indices = [index for index in arguments[1] if index is not None]
            if any(index.dtype == torch.bool for index in indices):
                self.waits.append(f"a mask as index at {_place()}")
            if not all(isinstance(index, There) for index in indices):
                self.waits.append(f"an index on the CPU at {_place()}")
            here = [tensor for tensor in here if not any(tensor is index for index in indices)]
        if here or any(isinstance(leaf, torch.Generator) for leaf in leaves):
            self.mistakes.append(f"{operation} on both devices at {_place()}")
        if name in REFUSED or f"{name}.{operation._schema.overload_name}" in REFUSED:
            self.mistakes.append(f"{operation}, which is not deterministic, at {_place()}")
        if name in WAITING:
            self.waits.append(f"{name} at {_place()}")


@contextmanager
def pretended_device() -> Iterator[Watch]:
    """Allow tensors to be created on the device and moved there; moved modules keep their parameters."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        # One thread for forward and backward passes, since a dispatch mode applies to one thread.
        with Watch() as watch, torch.autograd.set_multithreading_enabled(False):
            yield watch
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def _flat(group: Any) -> list[Any]:
    return group if isinstance(group, list) else [group]


def _kept(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_kept(leaf) for leaf in argument]
    if isinstance(argument, There):
        return argument.kept
    return HERE if isinstance(argument, torch.device) else argument


def _place() -> str:
    """Return the innermost line of the package on the stack."""
    ours = [frame for frame in traceback.extract_stack() if "/care_bench/" in frame.filename]
    return f"{ours[-1].filename.rpartition('/care_bench/')[2]}:{ours[-1].lineno}" if ours else "a test"
