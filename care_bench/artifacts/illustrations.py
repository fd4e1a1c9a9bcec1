"""What pictures of encoders are drawn from, which no record holds: curves, neighbours with thumbnails, histograms.

One line for each data set, under the hash of its own content, with the hashes of the runs that it shows.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, Field, model_validator

from care_bench.artifacts.json_lines import STRICT, Line, decode_lines
from care_bench.artifacts.record import Record, Sha256
from care_bench.errors import CareBenchError
from care_bench.names import Fidelity
from care_bench.untrusted import read_bytes

NAME = "illustrations.jsonl"
"""The file, in a collection and in the folder of a data set's jobs."""
FigureName: TypeAlias = Literal["trajectories", "retrieval", "cosines"]
FULL = 999
"""The largest coordinate of a curve in a file, which stands for its ``extent``."""
BINS = 40
"""Bins of equal width of the cosines, from -1 to 1."""
EXPECTED = "expected illustrations, as care-bench illustrate-runs writes them"

Count = Annotated[int, Field(ge=0)]
Coordinate = Annotated[int, Field(ge=-FULL, le=FULL)]


class Part(BaseModel):
    """A part of a line."""

    model_config = STRICT


class Curve(Part):
    """The trajectory of one cloud in its own principal plane.

    Attributes:
        planarity: share in % of its variance in this plane; None where it does not move.
        radius: root mean square distance from its mean, in all dimensions; the embeddings have unit length.
        extent: largest coordinate in the plane.
        points: x and y of each step in turn, in units of ``extent / FULL``.
    """

    planarity: float | None
    radius: float
    extent: float
    points: tuple[Coordinate, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.points) < 6 or len(self.points) % 2:
            raise ValueError(f"found {len(self.points)} coordinates; expected x and y of at least 3 steps")
        return self


class Turn(Part):
    """The curves about one axis, with the numbers of trajectories-v1 for it; a number is None where nothing moves.

    Attributes:
        step_variation: mean over ``curves``.
        residual, closure: of one map for all clouds about the axis, on the held-out ones.
        curves: one for each cloud.
    """

    step_variation: float | None
    residual: float | None
    closure: float | None
    curves: tuple[Curve, ...]


class Neighbours(Part):
    """The nearest training images of one image: places in ``Illustrations.train_rows``, the nearest first."""

    places: tuple[Count, ...]
    distances: tuple[float, ...]


class Cosines(Part):
    """Mean, variance (ddof 1) and histogram of the cosines over the test samples."""

    mean: float
    variance: float
    counts: Annotated[tuple[Count, ...], Field(min_length=BINS, max_length=BINS)]


class Shown(Part):
    """One run and what is drawn of it; what is empty is not drawn.

    Attributes:
        trajectories: about the x, y and z axis.
        retrieval: of each query, its neighbours and those of its coloured copy.
        cosines: of f(x) and f(a(x)).
    """

    variant: str
    method: str
    base: str | None
    fidelity: Fidelity | None
    seed: Count
    config_sha256: Sha256
    weights_sha256: Sha256
    trajectories: tuple[Turn, ...] = ()
    retrieval: tuple[tuple[Neighbours, Neighbours], ...] = ()
    cosines: Cosines | None = None


class Illustrations(Line):
    """The pictures of one data set; all are of the projection.

    Attributes:
        evaluation: the settings behind the draws, as records of the data set have them.
        code_version: of the code that made it.
        candidates: number of rows that could be shown: trained ones and the untrained encoder.
        runs: in the order in which they are drawn.
        clouds, query_rows: places among the test samples that are measured.
        train_rows: places among the training samples that are measured.
        image_shape: (3, h, w) of a thumbnail; empty without retrieval.
        images: uint8 thumbnails in base64: all queries, all coloured copies of them, then ``train_rows``.
    """

    profile: str
    dataset: str
    data_sha256: Sha256
    evaluation: str
    code_version: str
    candidates: Count
    runs: Annotated[tuple[Shown, ...], Field(min_length=1)]
    clouds: tuple[Count, ...] = ()
    query_rows: tuple[Count, ...] = ()
    train_rows: tuple[Count, ...] = ()
    image_shape: tuple[Count, ...] = ()
    images: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        channels, height, width = self.image_shape or (0, 0, 0)
        expected = (2 * len(self.query_rows) + len(self.train_rows)) * channels * height * width
        if len(self.pixels) != expected:
            raise ValueError(f"found {len(self.pixels)} bytes of images; expected {expected}")
        for run in self.runs:
            places = [place for pair in run.retrieval for one in pair for place in one.places]
            if max(places, default=-1) >= len(self.train_rows):
                raise ValueError(f"found neighbour {max(places)}; expected one of {len(self.train_rows)} images")
        return self

    @property
    def pixels(self) -> bytes:
        """The thumbnails one after another."""
        try:
            return base64.b64decode(self.images, validate=True)
        except binascii.Error as error:
            raise ValueError(f"found images that are not base64: {error}") from None

    def showing(self, figure: FigureName) -> tuple[Shown, ...]:
        """Return the runs that have something to draw in a figure."""
        return tuple(run for run in self.runs if getattr(run, figure))


def read_illustrations(path: Path, records: Iterable[Record]) -> tuple[Illustrations, ...]:
    """Read a file of illustrations, and check that they are of the runs of some records.

    Raises:
        CareBenchError: no such file, or a damaged or edited line, named as file:line; or a line of other data, draws,
            configurations or weights than the records of its data set have.
    """
    lines = decode_illustrations(path)
    check_illustrations(path, lines, measured_runs(records))
    return lines


def decode_illustrations(path: Path) -> tuple[Illustrations, ...]:
    """Read a file of illustrations.

    Raises:
        CareBenchError: no such file, or a damaged or edited line, named as file:line.
    """
    return tuple(decode_lines(read_bytes(path, EXPECTED), path, Illustrations, "line of illustrations"))


def measured_runs(records: Iterable[Record]) -> dict[tuple[str, str, int], Record]:
    """Return a record of every run that was measured after its last step, by data set, variant and seed."""
    return {(record.dataset, record.variant, record.seed): record for record in records if record.epoch is None}


def check_illustrations(
    path: Path, lines: Sequence[Illustrations], measured: Mapping[tuple[str, str, int], Record]
) -> None:
    """Check that the lines of a file are of runs that were measured, as :func:`read_illustrations` does.

    Raises:
        CareBenchError: a line of other data, draws, configurations or weights than the records of its data set have.
    """
    for number, line in enumerate(lines, start=1):
        for run in line.runs:
            record = measured.get((line.dataset, run.variant, run.seed))
            name = f"{line.dataset}/{run.variant}/seed{run.seed}"
            if record is None or record.profile != line.profile:
                raise CareBenchError(f"{path}:{number}: {name} of profile {line.profile} is in no record; {EXPECTED}")
            for key in ("config_sha256", "weights_sha256"):
                _check_same(f"{path}:{number}: {name}", key, getattr(run, key), getattr(record, key))
            for key in ("data_sha256", "evaluation"):
                _check_same(f"{path}:{number}: {name}", key, getattr(line, key), getattr(record, key))


def _check_same(where: str, key: str, found: str, expected: str) -> None:
    if found != expected:
        raise CareBenchError(
            f"{where} is illustrated with {key} {found[:12]}, its records have {expected[:12]}; illustrate it again"
        )
