"""Bounds against errors."""

from __future__ import annotations

from care_bench.artifacts import Record
from care_bench.report.figures.certificate import certificate_plot, certificate_points
from care_bench.report.figures.drawing import drawn
from care_bench.report.figures.rows import Rows
from tests.report.figures.made import collection, values


def certified(
    variant: str, error: list[float], bound: list[float], printed: list[float], share: float, dataset: str = "digits",
    **place: object,
) -> list[Record]:  # fmt: skip
    """Return the records of one certificate; those without a printed bound do not span the space."""
    return [
        *values(variant, "certificate_error", error, dataset, **place),
        *values(variant, "certificate_bound", bound, dataset, **place),
        *values(variant, "certificate_printed_bound", printed, dataset, **place),
        *values(variant, "certificate_admissible", [share] * len(error), dataset, **place),
    ]


RECORDS = [
    *certified("simclr", [0.2, 0.4], [0.6, 0.8], [40.0, 60.0], 5.0),
    *certified("simclr", [0.01, 0.03], [0.04, 0.06], [3.0], 0.0, representation="features"),
    *certified("care", [0.2], [0.4], [2.0], 0.0, "proteins"),
    *certified("care", [0.9], [0.9], [0.9], 0.0, epoch=3),  # of a snapshot
    *values("care", "certificate_error", [0.5]),  # without a bound
]


def test_the_points_are_means_over_seeds_of_encoders_after_the_last_step() -> None:
    found = certificate_points(Rows(collection(RECORDS)))
    rounded = [tuple(round(part, 6) if isinstance(part, float) else part for part in point) for point in found]
    assert rounded == [
        ("digits", "simclr", "projection", 2, 0.3, 0.7, 50.0, 5.0),
        ("digits", "simclr", "features", 2, 0.02, 0.05, None, 0.0),
        ("proteins", "care", "projection", 1, 0.2, 0.4, 2.0, 0.0),
    ]


def test_the_caption_says_how_far_the_theory_explains() -> None:
    plot = certificate_plot(Rows(collection(RECORDS)))
    assert plot is not None
    # The bounds over the errors: 0.7 / 0.3, 0.05 / 0.02 and 0.4 / 0.2.
    assert "below half of the trivial √2 for 3 of 3 points, and 2.3 times the error in the middle" in plot.caption
    assert "is drawn where the embeddings of every seed span the space" in plot.caption  # of the features one does
    assert "Prop. 3 applies to some of the augmentations for 1 of 3" in plot.caption
    assert [line.split(",")[5] for line in plot.csv.splitlines()[1:]] == ["0.7", "0.05", "0.4"]
    assert drawn(plot.draw, ["pdf"])[0].startswith(b"%PDF")


def test_without_certificates_there_is_no_figure() -> None:
    assert certificate_plot(Rows(collection(values("simclr", "gamma_median", [1.0])))) is None
