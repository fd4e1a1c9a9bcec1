"""Protocols first-pc-v1 (Fig. 4 of CARE) and trajectories-v1 (Fig. 3, 17 to 20): rotated point clouds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import (
    Measurement,
    Metric,
    Protocol,
    needs_point_clouds,
    over_repeats,
    single,
)

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.evaluation.embedded import Embedded


def _measure_first_component(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import principal_component

    result = principal_component(
        embedded.train_augmented.flatten(0, 1),
        embedded.train_clouds.flatten(0, 1),
        embedded.augmented.flatten(0, 1),
        embedded.test_clouds.flatten(0, 1),
    )
    return single(result.r2), single(result.angle)


def _measure_trajectories(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import one_parameter_group, regularity
    from care_bench.metrics.trajectories import CLOUDS

    curves = embedded.trajectories
    return (
        *_pair(lambda: astuple(regularity(curves[:CLOUDS]))),
        *_pair(lambda: astuple(one_parameter_group(curves, embedded.half_of(embedded.trajectory_rows)))),
    )


def _pair(measure: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Measurement, Measurement]:
    """Return two measurements, or why these curves have neither."""
    try:
        first, second = measure()
    except ValueError as error:
        return (Measurement(None, 0, reason=str(error)),) * 2
    return over_repeats(first.flatten()), over_repeats(second.flatten())


FIRST_COMPONENT = Protocol(
    "first-pc-v1",
    1,
    (
        Metric("first_pc_r2", "1", True, "first PC, R²", "R²: 1 = exact, 0 = the constant guess."),
        Metric(
            "first_pc_angle",
            "degree",
            False,
            "first PC, angle error",
            "Angle error: between the lines, 0 to 90 degrees.",
        ),
    ),
    needs_point_clouds,
    _measure_first_component,
    family="point clouds",
)
TRAJECTORIES = Protocol(
    "trajectories-v1",
    2,
    (
        Metric(
            "trajectory_planarity",
            "%",
            True,
            "trajectory, planarity",
            "Trajectory: the curve of an embedding while its cloud turns once about an axis. Planarity: the share of "
            "its variance in two principal components, 100 for a circle. Near invariance it hardly moves: read it "
            "beside the distance to invariance.",
        ),
        Metric(
            "trajectory_step_variation",
            "1",
            False,
            "trajectory, step variation",
            "Step variation: 0 at constant speed.",
        ),
        Metric(
            "trajectory_group_residual",
            "1",
            False,
            "trajectory, residual of one rotation",
            "Residual: what one map in O(d) for all steps about an axis, fitted to other clouds, leaves of the steps: "
            "0 = all clouds move by one rotation, 1 = it explains nothing.",
        ),
        Metric(
            "trajectory_closure",
            "1",
            False,
            "trajectory, closure",
            "Closure: how far that map ends from the start after the whole turn, over the largest distance on the way.",
        ),
    ),
    needs_point_clouds,
    _measure_trajectories,
    family="point clouds",
)
