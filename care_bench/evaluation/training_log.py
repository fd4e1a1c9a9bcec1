"""What protocols read in the log of a training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from care_bench.names import EQUIVARIANCE_TERM, GRADIENT_RATIO
from care_bench.runs.folder import RunFolder
from care_bench.untrusted import decoding

UNSCALED = "it was trained in 16-mixed, whose gradients vanish without their scale"
"""Why a training measures no ratio of gradients."""


@dataclass(frozen=True)
class TrainingLog:
    """Numbers in the log of a run.

    Attributes:
        gradient_ratios: those of a method that adds a term to another, at a few steps.
        equivariance: the unweighted equivariance term at every step; none where the method has no such term.
        without_ratios: why the training measured none, whatever its method; "" where it did.
    """

    gradient_ratios: tuple[float, ...] = ()
    equivariance: tuple[float, ...] = ()
    without_ratios: str = ""

    @classmethod
    def read(cls, folder: RunFolder, precision: str) -> Self:
        """Read the log of a finished run, which was checked against its hash.

        Args:
            folder: of the run.
            precision: in which it was trained.

        Raises:
            CareBenchError: it is no log.
        """
        with decoding(folder.log, "expected the log of a run"):
            lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
            ratios, terms = (
                tuple(float(line[name]) for line in lines if name in line)
                for name in (GRADIENT_RATIO, EQUIVARIANCE_TERM)
            )
        return cls(ratios, terms, UNSCALED if lines and precision == "16-mixed" else "")


NO_LOG = TrainingLog()
"""Of an encoder that was trained elsewhere."""
