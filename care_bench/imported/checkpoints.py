"""Read a checkpoint as one flat table of tensors; nothing in it is executed."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from care_bench.errors import CareBenchError
from care_bench.untrusted import decoding, open_regular, sha256_of

EXPECTED = "expected safetensors, or tensors as torch.save writes them"
HEADER = 8
"""Bytes of the length that a safetensors file begins with; the header after them is JSON."""
LEFT_OUT = ("optimizer", "optimizers", "optimizer_states", "scaler", "lr_scheduler", "lr_schedulers")
"""Parts of a checkpoint that hold no weights of a model."""
ALLOWED = (argparse.Namespace,)
"""Plain classes that releases such as DINO's keep beside their weights; loading one executes nothing."""


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights.

    Attributes:
        path: the file.
        sha256: of its content.
        tensors: name -> tensor; names of nested tables are joined by dots, such as `state_dict.module.conv1.weight`.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a safetensors file, or a torch file of tensors.

    Raises:
        CareBenchError: it is missing, damaged or no regular file; it would execute code; it holds no tensors; or one of
            them is not finite.
    """
    digest = sha256_of(path, EXPECTED)
    content = _read(path)
    tensors = dict(_flat(content))
    if not tensors:
        raise CareBenchError(f"{path} holds no tensors; {EXPECTED}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CareBenchError(f"{path}: {name} holds NaN or infinity; expected finite weights")
    return Checkpoint(path, digest, tensors)


def _read(path: Path) -> Any:
    with decoding(path, EXPECTED), open_regular(path) as file:
        start = file.read(HEADER + 1)
        file.seek(0)
        if path.suffix == ".safetensors" or start[HEADER:] == b"{":
            return safetensors.torch.load(file.read())
        if zipfile.is_zipfile(file):
            file.seek(0)
            if (part := zipfile.ZipFile(file).testzip()) is not None:  # torch does not look at checksums
                raise ValueError(f"{part} does not match its checksum")
        file.seek(0)
        try:
            with torch.serialization.safe_globals([*ALLOWED, *_numpy_scalars()]):
                return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if "weights_only" not in str(error) and "Unsupported" not in str(error):
                raise
            raise CareBenchError(
                f"{path} would execute Python code when it is loaded, which is refused; expected tensors: save "
                "`module.state_dict()` where it was made"
            ) from None


def _numpy_scalars() -> Iterator[Any]:
    """Yield what a pickled number of numpy is made of, such as a best accuracy; loading one executes nothing."""
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        yield np.float64(0).__reduce__()[0], f"{module}.scalar"
    yield np.dtype
    yield from {type(np.dtype(kind)) for kind in np.typecodes["All"] if kind not in np.typecodes["Datetime"] + "OV"}


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        if content.layout == torch.strided:
            yield prefix.rstrip("."), content.detach()
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(key, str) and not (prefix == "" and key in LEFT_OUT):
                yield from _flat(value, f"{prefix}{key}.")
