"""Parameters drawn by augmentations: frozen dataclasses of tensors with one row per sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

OPERATIONS = ("brightness", "contrast", "saturation", "hue")
"""The colour operations; ``ImageParameters.order`` and the columns of ``factors`` refer to them by position."""


@dataclass(frozen=True, eq=False)
class Parameters(ABC):
    """Base of the parameter classes: every tensor field has the same leading dimension n, one row per sample.

    Attributes:
        ROW_SHAPES: shape of one row of every tensor field; fields not named here are not tensors and are kept as is. A
            field that was not drawn is None.

    Raises:
        ValueError: a field's shape is not (n, *its row shape), with one n for all fields.
    """

    ROW_SHAPES: ClassVar[dict[str, tuple[int, ...]]]

    def __post_init__(self) -> None:
        first = next(iter(self.ROW_SHAPES))
        n = len(getattr(self, first))
        for name, tensor in self.tensors().items():
            expected = (n, *self.ROW_SHAPES[name])
            if tuple(tensor.shape) != expected:
                found = f"{type(self).__name__}.{name} has shape {tuple(tensor.shape)}"
                raise ValueError(f"{found}, expected {expected} (n from {first!r})")

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.ROW_SHAPES))))

    def __getitem__(self, rows: int | slice | Tensor) -> Self:
        """Select rows; an integer keeps the leading dimension, so ``parameters[i]`` is a draw for one sample.

        Args:
            rows: integer, slice, int64 tensor of indices or bool mask of length n.

        Raises:
            IndexError: an index is out of range.
        """
        if isinstance(rows, int):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} of {type(self).__name__} with {len(self)} rows")
            rows = rows % len(self)
            rows = slice(rows, rows + 1)
        return self._map(lambda tensor: tensor[rows])

    def repeat_interleave(self, repeats: int) -> Self:
        """Return k = ``repeats`` consecutive copies of every row: a draw shared by a chunk of k samples."""
        return self._map(lambda tensor: tensor.repeat_interleave(repeats, dim=0))

    def to(self, device: torch.device | str) -> Self:
        """Move every tensor to ``device``."""
        return self._map(lambda tensor: tensor.to(device))

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that were drawn, by the names of their fields."""
        return {name: tensor for name in self.ROW_SHAPES if (tensor := getattr(self, name)) is not None}

    @abstractmethod
    def to_vector(self) -> Tensor:
        """Return the draw as numbers, (n, p) float32: the input of a network that predicts an augmentation's effect."""

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, **{name: function(tensor) for name, tensor in self.tensors().items()})


@dataclass(frozen=True, eq=False)
class ImageParameters(Parameters):
    """One image augmentation per row. Values are drawn for every operation, also where it is not applied.

    Attributes:
        input_size: (H, W) of the images the boxes refer to, in pixels.
        box: (n, 4) int64, crop box (top, left, height, width) in pixels.
        flip: (n,) bool, mirror left and right.
        jitter: (n,) bool, whether the colour operations are applied.
        order: (n, 4) int64, ``order[:, k]`` is the position in ``OPERATIONS`` of the operation applied k-th.
        factors: (n, 4) float32 in the order of ``OPERATIONS``; 1, 1, 1 and 0 change nothing. Hue is in turns.
        grayscale: (n,) bool, whether the image is turned gray.
        blur: (n,) bool, whether the image is blurred.
        sigma: (n,) float32, standard deviation of the blur in pixels of the output.
        angle: (n,) float32, rotation of the whole image in degrees, counter-clockwise; None: the augmentation has none.
    """

    ROW_SHAPES: ClassVar[dict[str, tuple[int, ...]]] = {
        "box": (4,),
        "flip": (),
        "jitter": (),
        "order": (4,),
        "factors": (4,),
        "grayscale": (),
        "blur": (),
        "sigma": (),
        "angle": (),
    }

    input_size: tuple[int, int]
    box: Tensor
    flip: Tensor
    jitter: Tensor
    order: Tensor
    factors: Tensor
    grayscale: Tensor
    blur: Tensor
    sigma: Tensor
    angle: Tensor | None = None

    @classmethod
    def columns(cls, rotates: bool = False) -> tuple[str, ...]:
        """Return the names of the columns of :meth:`to_vector`, whose last one is there if the augmentation rotates."""
        return (
            *("top", "left", "height", "width"),
            *("flip", "jitter"),
            *OPERATIONS,
            *(f"rank_{name}" for name in OPERATIONS),
            *("grayscale", "blur", "sigma"),
            *(("angle",) if rotates else ()),
        )

    def to_vector(self) -> Tensor:
        """Return the draw as numbers, (n, 17) float32 or, with an angle, (n, 18), columns as in :meth:`columns`.

        The box is relative to the image (top and height by H, left and width by W); flags are 0 or 1. Where an
        operation is not applied its columns hold neutral values, so that equal effects have equal vectors: factors
        1, 1, 1, 0, ranks 0, 1, 2, 3 (the rank of an operation is its place in the order) and sigma 0.
        """
        height, width = self.input_size
        size = self.box.new_tensor([height, width, height, width])
        neutral = self.factors.new_tensor([1.0, 1.0, 1.0, 0.0])
        jitter = self.jitter[:, None]
        ranks = self.order.argsort(dim=1)
        return torch.cat(
            [
                self.box.float() / size,
                self.flip[:, None].float(),
                jitter.float(),
                torch.where(jitter, self.factors, neutral),
                torch.where(jitter, ranks, torch.arange(4, device=ranks.device)).float(),
                self.grayscale[:, None].float(),
                self.blur[:, None].float(),
                torch.where(self.blur, self.sigma, 0.0)[:, None],
                *(() if self.angle is None else (self.angle[:, None],)),
            ],
            dim=1,
        )


@dataclass(frozen=True, eq=False)
class RotationParameters(Parameters):
    """One rotation of space per row.

    Attributes:
        matrix: (n, 3, 3) float32, orthogonal with determinant 1; a point p (column) goes to ``matrix @ p``.
    """

    ROW_SHAPES: ClassVar[dict[str, tuple[int, ...]]] = {"matrix": (3, 3)}

    matrix: Tensor

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the names of the columns of :meth:`to_vector`."""
        return tuple(f"r{row}{column}" for row in range(3) for column in range(3))

    def to_vector(self) -> Tensor:
        """Return the matrix entries row by row, (n, 9) float32."""
        return self.matrix.flatten(1)
