"""Illustrations of runs that were never trained, for tests of collections and figures."""

from __future__ import annotations

import base64
from typing import Any

from care_bench.artifacts import Record
from care_bench.artifacts.illustrations import BINS, Cosines, Curve, Illustrations, Neighbours, Shown, Turn

SQUARE = (999, 0, 0, 999, -999, 0, 0, -999)
"""A curve of four steps; its neighbouring corners are 999 times the square root of two apart."""


def shown(record: Record, **changes: Any) -> Shown:
    """Return the run of a record with a histogram: all samples in the bin from 0 to 0.05 but one at the end."""
    return Shown(
        **{
            **{key: getattr(record, key) for key in ("variant", "method", "base", "fidelity", "seed")},
            "config_sha256": record.config_sha256,
            "weights_sha256": record.weights_sha256,
            "cosines": Cosines(mean=0.25, variance=0.5, counts=(0,) * 20 + (3,) + (0,) * (BINS - 22) + (1,)),
            **changes,
        }
    )


def turns() -> tuple[Turn, ...]:
    """Return squares about three axes; nothing moves about the last."""
    curve = Curve(planarity=100.0, radius=0.5, extent=0.5, points=SQUARE)
    still = Curve(planarity=None, radius=0.0, extent=0.0, points=(0,) * 8)
    moving = Turn(step_variation=0.0, residual=0.25, closure=0.125, curves=(curve,))
    return moving, moving, Turn(step_variation=None, residual=None, closure=None, curves=(still,))


def neighbours() -> tuple[tuple[Neighbours, Neighbours], ...]:
    """Return the two neighbours of one query, and those of its copy."""
    return ((Neighbours(places=(0, 1), distances=(0.5, 0.75)), Neighbours(places=(1, 0), distances=(0.25, 1.5))),)


def illustrations(records: list[Record], **changes: Any) -> Illustrations:
    """Return the illustrations of the runs of some records of one data set."""
    first = records[0]
    return Illustrations(
        **{
            "profile": first.profile,
            "dataset": first.dataset,
            "data_sha256": first.data_sha256,
            "evaluation": first.evaluation,
            "code_version": first.code_version,
            "candidates": len(records),
            "runs": tuple(shown(record) for record in records),
            **changes,
        }
    )


def images(number: int) -> dict[str, Any]:
    """Return the thumbnails, 2 by 2, of one query, its copy and two training images: images of one value each."""
    pixels = b"".join(bytes([value]) * 12 for value in range(number))
    return {
        "query_rows": (7,),
        "train_rows": (30, 10),
        "image_shape": (3, 2, 2),
        "images": base64.b64encode(pixels).decode(),
    }
