"""The encoder's weights as a safetensors file that names the configuration it was trained with."""

from __future__ import annotations

import errno
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import safe_open
from torch import Tensor, nn

from care_bench.errors import CareBenchError
from care_bench.untrusted import decoding


def encoder_bytes(encoder: nn.Module, config_sha256: str) -> bytes:
    """Return the content of a safetensors file of the encoder's weights.

    The hash of the configuration is its only metadata: safetensors writes several entries in an order that changes from
    call to call, and equal weights must give equal files.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    return safetensors.torch.save(tensors, {"config_sha256": config_sha256})


def load_encoder_weights(encoder: nn.Module, path: Path, config_sha256: str) -> None:
    """Load the weights of a finished run into an encoder.

    Raises:
        CareBenchError: the file is missing, truncated, foreign, or belongs to another configuration.
    """
    expected = "expected the safetensors file of an encoder"
    with decoding(path, expected):
        if not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would wait
            raise OSError(errno.EINVAL, "it is not a regular file")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        content = safetensors.torch.load_file(path)
    found = metadata.get("config_sha256")
    if found != config_sha256:
        whose = f"belongs to config {found[:12]}" if found else "was not written by care_bench"
        raise CareBenchError(f"encoder {path} {whose}; this run has config {config_sha256[:12]}")
    try:
        load_weights(encoder, content)
    except ValueError as error:
        raise CareBenchError(f"encoder {path} does not fit the model of its config: {error}") from None


def load_weights(module: nn.Module, content: Mapping[str, Tensor]) -> None:
    """Load tensors into a module that has the same names, shapes and types.

    Args:
        module: where they go; unchanged if they do not fit.
        content: name -> tensor.

    Raises:
        ValueError: a name is missing or unknown, or a tensor has another shape or type.
    """
    expected = module.state_dict()
    wrong = [f"{name} is missing" for name in expected.keys() - content.keys()]
    wrong += [f"{name} is unknown" for name in content.keys() - expected.keys()]
    for name in expected.keys() & content.keys():
        (found, wanted) = (_described(content[name]), _described(expected[name]))
        if found != wanted:
            wrong.append(f"size mismatch: {name} is {found}, expected {wanted}")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ValueError(f"{min(wrong)}{more}")
    module.load_state_dict(content)


def _described(tensor: Any) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
