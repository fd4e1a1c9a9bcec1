"""The checkpoint: the state of an unfinished run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from care_bench.config.base import Settings
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes, write_bytes
from care_bench.runs.summary import Epoch, Measured, Sha256
from care_bench.untrusted import decoding, read_bytes

MAGIC = b"care_bench checkpoint 2 "
"""Every checkpoint begins with this, the SHA-256 of what follows the line, and a line feed."""

Number = Annotated[int, Field(ge=0)]


class Progress(Settings):
    """How far a run is, and the hashes of its other files."""

    config_sha256: Sha256
    data_sha256: Sha256
    step: Number
    """Steps done."""
    seconds: Measured
    """Training time so far, over all resumes."""
    resumed: Number
    """Number of resumes."""
    log_bytes: Number
    """Length of the log; what follows was written after the checkpoint."""
    log_sha256: Sha256
    """Hash of so many bytes of the log."""
    snapshots: dict[Epoch, Sha256]
    """Epoch -> hash of the snapshot kept after it."""
    made_by: dict[str, str] = Field(default_factory=dict)
    """Code version, device, Python, packages and platform of all processes so far, see :func:`made_by`."""


def made_by(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return by what a run was made that one process began and another one continues.

    Args:
        before: what its checkpoint says.
        now: of the process that continues it.

    Returns:
        What both have in common as it is; anything else in the order of the processes, such as "2.11.0, then 2.15.0".
    """
    found = {}
    for key in {**now, **before}:
        earlier, ours = before.get(key, "absent") if before else now[key], now.get(key, "absent")
        found[key] = earlier if earlier.split(", then ")[-1] == ours else f"{earlier}, then {ours}"
    return found


@dataclass(frozen=True)
class Checkpoint:
    """The state of an unfinished run.

    Attributes:
        progress: how far it is.
        tensors: states of the model, the optimizer and the precision; plain values and tensors on the CPU.
    """

    progress: Progress
    tensors: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the state of a run atomically."""
    buffer = io.BytesIO()
    torch.save({"progress": checkpoint.progress.model_dump(mode="json"), **checkpoint.tensors}, buffer)
    content = buffer.getvalue()
    write_bytes(path, MAGIC + sha256_bytes(content).encode() + b"\n" + content)


def load_checkpoint(path: Path, config_sha256: str) -> Checkpoint:
    """Read the state of a run to the CPU, without executing code from the file.

    Raises:
        CareBenchError: the file is truncated, changed, foreign, or belongs to another configuration.
    """
    again = how_to_repair(path)
    header, _, content = read_bytes(path, again).partition(b"\n")
    if not header.startswith(MAGIC):
        raise CareBenchError(f"{path} is not a checkpoint of this version of care_bench; {again}")
    if header.removeprefix(MAGIC).decode(errors="replace") != sha256_bytes(content):
        raise CareBenchError(
            f"checkpoint {path} is truncated or changed: its SHA-256 is not the one it was written with; {again}"
        )
    with decoding(path, again):
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # its message explains over many lines how to run the code in the file
            raise ValueError("it holds more than tensors and plain values") from None
        progress = _parsed(state.pop("progress"), path)
    if progress.config_sha256 != config_sha256:
        raise CareBenchError(
            f"checkpoint {path} belongs to config {progress.config_sha256[:12]}, this run has config "
            f"{config_sha256[:12]}; {again}"
        )
    return Checkpoint(progress, state)


def _parsed(content: Any, path: Path) -> Progress:
    try:
        return Progress.parse(content, f"checkpoint {path}")
    except CareBenchError as error:
        raise CareBenchError(f"{error}; {how_to_repair(path)}") from None


def how_to_repair(checkpoint: Path) -> str:
    """Say how to start a run again whose state is damaged."""
    return f"delete {checkpoint.parent} to start the run again"
