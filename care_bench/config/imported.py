"""Where an imported encoder and its weights come from, and which of its layers are measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PositiveFloat, field_validator, model_validator

from care_bench.config.base import Settings
from care_bench.config.python_files import imported_beside

FORMS = "timm:NAME, torchvision:NAME, PATH.py:FUNCTION, package.module:function or run:FOLDER"
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_FUNCTION = re.compile(r"[A-Za-z_]\w*")
LIBRARIES = ("timm", "torchvision")
RUN = "run"
RUN_FILES = ("encoder.safetensors", "pretrain.json")
"""Files of a finished run: its weights, and the summary with their hash."""


class ImportedSettings(Settings):
    """An encoder that was trained elsewhere."""

    encoder: str
    """`timm:NAME`, `torchvision:NAME`, `PATH.py:FUNCTION` or `package.module:function` (a function that returns an
    nn.Module), or `run:FOLDER` (a finished run of care_bench)."""
    weights: str | None = None
    """Checkpoint: safetensors, or a torch file that holds tensors. None: initial weights, which depend on `seed`."""
    prefix: str | None = None
    """What the keys of the encoder begin with in the checkpoint; None: it is found."""
    allow_partial: bool = False
    """Use a checkpoint that lacks some of the encoder's weights, which then keep their initial values."""
    layers: tuple[str, ...] = ()
    """Layers to measure: `pooled` (the features), `projector` (the projection head) and names of modules; by default
    the first, and the second where there is one."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Side of the square images that it takes; None: the model's own."""
    mean: tuple[float, ...] | None = None
    """Subtracted from each channel of images in [0, 1]; None: the model's own."""
    std: tuple[PositiveFloat, ...] | None = None
    """Each channel is divided by it; None: the model's own."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the initial weights."""

    @field_validator("encoder")
    @classmethod
    def _has_a_form(cls, encoder: str) -> str:
        source, _, name = encoder.rpartition(":") if ".py:" in encoder else encoder.partition(":")
        known = source in (*LIBRARIES, RUN) or (
            (source.endswith(".py") or _MODULE.fullmatch(source)) and _FUNCTION.fullmatch(name)
        )
        if not name or not known:
            raise ValueError(f"expected {FORMS}")
        return encoder

    @field_validator("layers")
    @classmethod
    def _distinct(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        if "" in layers:
            raise ValueError("a layer has no name; expected 'pooled', 'projector' or the name of a module")
        if len(set(layers)) < len(layers):
            raise ValueError("a layer is repeated; expected distinct layers")
        return layers

    @field_validator("mean", "std")
    @classmethod
    def _are_of_images_within_0_and_1(cls, numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
        for number in numbers or ():
            if not 0 <= number <= 1:
                raise ValueError(
                    f"{number}, and images are within 0 and 1; expected statistics of such images, not of bytes: those "
                    "divided by 255"
                )
        return numbers

    @model_validator(mode="after")
    def _has_both_statistics(self) -> Self:
        if (self.mean is None) != (self.std is None):
            there, other = ("std", "mean") if self.mean is None else ("mean", "std")
            raise ValueError(f"{there} without {other}; expected both or none")
        return self

    @model_validator(mode="after")
    def _is_about_a_file(self) -> Self:
        if self.weights is None and (self.prefix is not None or self.allow_partial):
            key = "allow_partial" if self.prefix is None else "prefix"
            raise ValueError(f"{key} is about a checkpoint, and there is none; expected weights beside it")
        return self

    @property
    def source(self) -> str:
        """What is before the name: a library, `run`, a Python file or a module."""
        return self.encoder[: -len(self.name) - 1]

    @property
    def name(self) -> str:
        """The model's name, the function's or the run's folder."""
        is_file = ".py:" in self.encoder
        return self.encoder.rpartition(":")[2] if is_file else self.encoder.partition(":")[2]

    @property
    def is_run(self) -> bool:
        """Whether it is a run of care_bench, which has weights of its own."""
        return self.source == RUN

    @property
    def is_file(self) -> bool:
        """Whether it is made by a function in a Python file of the user's."""
        return self.source.endswith(".py")

    @property
    def brings_weights(self) -> bool:
        """Whether it has weights without a file: a run, or what a function returns."""
        return self.source not in LIBRARIES

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made from: weights; a Python file, and those beside it that it imports; or a run's."""
        found = [] if self.weights is None else [Path(self.weights)]
        if self.is_run:
            found += [Path(self.name, file) for file in RUN_FILES]
        if self.is_file:
            found += [Path(self.source), *imported_beside(Path(self.source))]
        return tuple(found)

    @property
    def spelt(self) -> str:
        """The encoder without folders, as tables show it."""
        return f"{Path(self.source).name}:{Path(self.name).name}" if self.is_run or self.is_file else self.encoder

    def recorded(self) -> dict[str, Any]:
        """Return the settings without folders, so that records of another machine are the same."""
        weights = None if self.weights is None else Path(self.weights).name
        return {**self.model_dump(mode="json"), "encoder": self.spelt, "weights": weights}
