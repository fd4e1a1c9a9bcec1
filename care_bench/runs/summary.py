"""The summary of a finished run, `pretrain.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from care_bench.config.base import Settings
from care_bench.errors import CareBenchError
from care_bench.untrusted import read_json

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Epoch = Annotated[str, Field(pattern="^[1-9][0-9]{0,8}$")]
Measured = Annotated[float, Field(ge=0)]


class Summary(Settings):
    """Steps, speed, device, torch, precision of its products, and the hashes of the other files of a run."""

    run: str
    """`dataset/variant/seedN`."""
    steps: Annotated[int, Field(ge=0)]
    """Steps of training; 0 for a reference row, which keeps its initial weights."""
    images_per_second: Measured
    seconds: Measured
    """Training time, over all resumes."""
    resumed: Annotated[int, Field(ge=0)]
    """Number of resumes."""
    device: str
    torch: str
    tf32: bool
    """Whether float32 products on the GPU might be TF32."""
    code_version: Annotated[str, Field(min_length=1)] = "unknown"
    """Of care_bench; of several where another version continued the run. A summary of before this key has none."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Python, packages and platform, of several in the same way, as is the device."""
    config_sha256: Sha256
    data_sha256: Sha256
    weights_sha256: Sha256
    log_sha256: Sha256
    snapshots: dict[Epoch, Sha256]
    """Epoch, as a string as JSON has it -> hash of the snapshot."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a summary.

        Raises:
            CareBenchError: the file is missing, damaged, or lacks a key or has a wrong one; in one line that names it.
        """
        expected = f"expected the summary of a run; delete {path.name} and pretrain the run again"
        content = read_json(path, expected)
        if not isinstance(content, dict):
            raise CareBenchError(f"{path} is not the summary of a run: found {type(content).__name__}; {expected}")
        try:
            return cls.parse(content, str(path))
        except CareBenchError as error:
            raise CareBenchError(f"{error}; {expected}") from None
