"""Closed sets of names that several packages share, and the rule for names that become folders."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from care_bench.errors import CareBenchError

Fidelity: TypeAlias = Literal["paper", "released-code"]
"""Which reading of the equivariance loss: as printed, or as the authors' released code computes it."""

Group: TypeAlias = Literal["SO", "O"]
"""The maps of Wahba's problem: rotations, or rotations and reflections."""

Representation: TypeAlias = Literal["projection", "features"]
"""What is measured: the projection head's output on the unit sphere, or the backbone's features."""

REPRESENTATIONS: tuple[Representation, ...] = ("projection", "features")

Reference: TypeAlias = Literal["untrained", "raw", "random", "constant", "shuffled", "oracle"]
"""What is measured for a reference row; a rule for each is in ``care_bench.evaluation.references``."""

UNINFORMED: tuple[Reference, ...] = ("random", "constant", "shuffled")
"""Reference rows whose embeddings, or pairs of them, say nothing about the input."""

IMPORTED = "imported"
"""What records have for a method where the encoder was trained elsewhere."""

GRADIENT_RATIO = "gradient_ratio"
"""Of a term that a method adds: its name in the log of a run, and that of the metric."""

EQUIVARIANCE_TERM = "equivariance"
"""The equivariance loss among the terms of a method, and in the log of a run."""

Kind: TypeAlias = Literal["image", "point_cloud"]
"""What the samples of a data set are."""

Unit: TypeAlias = Literal["%", "1", "degree"]
"""Unit of a metric; "1" is a plain number."""

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names that are safe as a folder and in a shell command: of profiles, variants, pins, components of other packages."""


def check_file_name(what: str, name: str) -> None:
    """Raise CareBenchError unless ``name`` can be the name of a folder; ``what`` says what it names."""
    if not FILE_NAME.fullmatch(name):
        raise CareBenchError(f"{what} {name!r} cannot be a folder; expected ASCII letters, digits, '.', '_' and '-'")


DATA = "results/data"
"""Default folder of prepared data sets, the default of `--data`."""
