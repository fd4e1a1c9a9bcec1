"""Reference rows, against which the numbers of trained encoders are read: nothing is trained for them."""

from __future__ import annotations

from typing import ClassVar, Literal

from care_bench.config.methods.base import MethodSettings, method
from care_bench.names import Reference


class ReferenceSettings(MethodSettings):
    """A run that keeps its initial weights; encoder or embeddings may be replaced when they are measured."""

    implementation = "care_bench.methods.no_training:NoTraining"
    reference: ClassVar[Reference]


@method
class UntrainedSettings(ReferenceSettings):
    """The encoder with its initial weights: what the architecture gives without any training."""

    label = "reference: untrained encoder"
    reference = "untrained"
    name: Literal["untrained"]


@method
class RawSettings(ReferenceSettings):
    """The inputs themselves, flattened; images averaged down to at most 16 x 16 pixels."""

    label = "reference: raw inputs"
    reference = "raw"
    name: Literal["raw"]


@method
class RandomSettings(ReferenceSettings):
    """Random directions that have nothing to do with the input."""

    label = "reference: random embeddings"
    reference = "random"
    name: Literal["random"]


@method
class ConstantSettings(ReferenceSettings):
    """One embedding for all inputs: a collapsed encoder."""

    label = "reference: constant embeddings"
    reference = "constant"
    name: Literal["constant"]


@method
class ShuffledSettings(ReferenceSettings):
    """The untrained encoder, with the view of every sample taken from another sample."""

    label = "reference: views of other samples"
    reference = "shuffled"
    name: Literal["shuffled"]


@method
class OracleSettings(ReferenceSettings):
    """The untrained encoder, with a random rotation of its embeddings in place of every augmentation."""

    label = "reference: exact rotations"
    reference = "oracle"
    name: Literal["oracle"]
