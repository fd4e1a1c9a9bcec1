"""Files of weights: the state of an unfinished run, and the encoder of a finished one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes

MAGIC = b"care_bench checkpoint 1 "
"""Every checkpoint begins with this, the SHA-256 of what follows the line, and a line feed."""


def save_checkpoint(path: Path, config_sha256: str, state: dict[str, Any]) -> None:
    """Write the state of a run atomically.

    Args:
        path: the checkpoint.
        config_sha256: hash of the run's configuration, checked when it is loaded.
        state: tensors and plain values.
    """
    buffer = io.BytesIO()
    torch.save({"config_sha256": config_sha256, **state}, buffer)
    content = buffer.getvalue()
    write_bytes(path, MAGIC + sha256_bytes(content).encode() + b"\n" + content)


def load_checkpoint(path: Path, config_sha256: str) -> dict[str, Any]:
    """Read the state of a run to the CPU, never executing what a file may hold.

    Raises:
        CareBenchError: the file is truncated, changed, foreign, or belongs to another configuration.
    """
    try:
        header, _, content = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CareBenchError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    if not header.startswith(MAGIC):
        raise CareBenchError(f"{path} is not a checkpoint of care_bench; delete it to start the run anew")
    if header.removeprefix(MAGIC).decode(errors="replace") != sha256_bytes(content):
        raise CareBenchError(
            f"checkpoint {path} is truncated or changed: its SHA-256 is not the one it was written with; "
            "delete it to start the run anew"
        )
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if state["config_sha256"] != config_sha256:
        raise CareBenchError(
            f"checkpoint {path} belongs to config {state['config_sha256'][:12]}, this run has config "
            f"{config_sha256[:12]}; delete it or use another folder"
        )
    return state


def encoder_bytes(encoder: nn.Module, config_sha256: str) -> bytes:
    """Return the encoder's weights as a safetensors file that names its configuration.

    The name is the only metadata: safetensors writes several entries in an order that changes from call to call, and
    equal weights are to be equal files.
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
