"""The encoder's weights as a safetensors file that names the configuration it was trained with."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import nn

from care_bench.errors import CareBenchError


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
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        content = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise CareBenchError(f"encoder {path} cannot be read: {error}; expected a whole safetensors file") from None
    found = metadata.get("config_sha256")
    if found != config_sha256:
        whose = f"belongs to config {found[:12]}" if found else "was not written by care_bench"
        raise CareBenchError(f"encoder {path} {whose}; this run has config {config_sha256[:12]}")
    try:
        encoder.load_state_dict(content)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CareBenchError(f"encoder {path} does not fit the model of its config: {reason}") from None
