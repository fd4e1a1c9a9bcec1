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
SNIFFED = 512
"""Bytes by which a file is told from what is no checkpoint."""
ZIP = b"PK\x03\x04"
CUT = "cut short: its end is missing, as after a download or copy that was interrupted"
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
        start = file.read(SNIFFED)
        file.seek(0)
        if (other := _not_tensors(start)) is not None:
            raise CareBenchError(f"{path} is {other}; {EXPECTED}")
        if path.suffix == ".safetensors" or start[HEADER : HEADER + 1] == b"{":
            try:
                return safetensors.torch.load(file.read())
            except safetensors.SafetensorError as error:
                if "not fully covered" not in str(error):
                    raise
                raise CareBenchError(f"{path} is {CUT}; {EXPECTED}") from None
        if zipfile.is_zipfile(file):
            file.seek(0)
            if (part := zipfile.ZipFile(file).testzip()) is not None:  # torch does not look at checksums
                raise ValueError(f"{part} does not match its checksum")
        elif start.startswith(ZIP):
            raise CareBenchError(f"{path} is {CUT}; {EXPECTED}")
        file.seek(0)
        try:
            with torch.serialization.safe_globals([*ALLOWED, *_numpy_scalars()]):
                return torch.load(file, map_location="cpu", weights_only=True)
        except (EOFError, RuntimeError) as error:
            if "EOF" not in f"{type(error).__name__} {error}":
                raise
            raise CareBenchError(f"{path} is {CUT}; {EXPECTED}") from None
        except pickle.UnpicklingError as error:
            if "weights_only" not in str(error) and "Unsupported" not in str(error):
                raise
            raise CareBenchError(
                f"{path} would execute Python code when it is loaded, which is refused; expected tensors: save "
                "`module.state_dict()` where it was made"
            ) from None


def _not_tensors(start: bytes) -> str | None:
    """Say what a file is by its first bytes, where it is a usual mistake; None for what may be a checkpoint."""
    if not start:
        return "empty"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "an HTML page, as a download that failed leaves"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file itself (`git lfs pull` gets it)"
    try:
        text = start.decode("ascii")
    except UnicodeDecodeError:
        return None
    return "a text file" if all(letter.isprintable() or letter.isspace() for letter in text) else None


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
