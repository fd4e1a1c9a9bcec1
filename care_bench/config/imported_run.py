"""An encoder that was trained elsewhere, and the data set that it is measured on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from care_bench.config.base import Settings
from care_bench.config.imported import ImportedSettings
from care_bench.config.run import MOST_THREADS
from care_bench.names import Representation

HEAD = "projector"
"""The layer that is a projection; all others are features."""
MAIN = ("pooled", HEAD)
"""Layers whose records have the name of the encoder; those of others have the layer's beside it."""


class ImportedConfig(Settings):
    """Everything that decides what is measured of an imported encoder."""

    profile: str
    dataset: str
    variant: str
    """Name of the encoder: its key in the profile, or the folder that its records are written to."""
    imported: ImportedSettings
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    """CPU threads; part of it because sums depend on it in the last bit."""

    @property
    def id(self) -> str:
        """`dataset/variant/seedN`: the encoder within its profile, and its folder."""
        return f"{self.dataset}/{self.variant}/seed{self.imported.seed}"


def row_of(name: str, layer: str) -> str:
    """Return the row of a layer in tables: the name of the encoder, with the layer unless it is one of ``MAIN``."""
    return name if layer in MAIN else f"{name}@{layer}"


def rows_of(name: str, layers: Collection[str]) -> tuple[str, ...]:
    """Return the rows of an encoder: of the layers that were asked for, or of ``MAIN``."""
    return tuple(dict.fromkeys(row_of(name, layer) for layer in layers or MAIN))


def representation_of(layer: str) -> Representation:
    """Return what a layer is in tables."""
    return "projection" if layer == HEAD else "features"
