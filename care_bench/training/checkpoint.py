"""The checkpoint: the state of an unfinished run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

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
    """Read the state of a run to the CPU, without executing code from the file.

    Raises:
        CareBenchError: the file is truncated, changed, foreign, or belongs to another configuration.
    """
    try:
        header, _, content = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CareBenchError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    if not header.startswith(MAGIC):
        raise CareBenchError(f"{path} is not a checkpoint of care_bench; delete it to start the run again")
    if header.removeprefix(MAGIC).decode(errors="replace") != sha256_bytes(content):
        raise CareBenchError(
            f"checkpoint {path} is truncated or changed: its SHA-256 is not the one it was written with; "
            "delete it to start the run again"
        )
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if state["config_sha256"] != config_sha256:
        raise CareBenchError(
            f"checkpoint {path} belongs to config {state['config_sha256'][:12]}, this run has config "
            f"{config_sha256[:12]}; delete it or use another folder"
        )
    return state
