"""Protocol lie-derivative-v1: infinitesimal invariance and equivariance (Gruver et al. 2023)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import (
    MOST_VELOCITIES,
    Measurement,
    Metric,
    Protocol,
    never_skipped,
    over_repeats,
)

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded
    from care_bench.metrics import LieDerivative

TRANSFORMATIONS = ("translation", "rotation", "scale", "brightness", "contrast", "saturation")


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    import torch

    from care_bench.data.subsets import evenly_spaced_rows
    from care_bench.metrics import lie_derivative, on_sphere

    z, *velocities = embedded.velocities
    few = torch.from_numpy(evenly_spaced_rows(len(embedded.dataset.test), MOST_VELOCITIES))
    fitted = embedded.half_of(few).to(z.device)
    unit, moving = zip(*(on_sphere(z, velocity) for velocity in velocities), strict=True)
    found: dict[str, list[LieDerivative]] = {}
    for name, one in zip(embedded.smooth, lie_derivative(unit[0], torch.stack(moving), fitted), strict=True):
        found.setdefault(name.partition("_")[0], []).append(one)
    measured: list[Measurement] = []
    for name in TRANSFORMATIONS:
        if name not in found:
            measured += [Measurement(None, 0, reason=f"{name} does not act on these samples")] * 2
            continue
        measured.append(over_repeats([one.speed for one in found[name]]))
        fractions = [one.unexplained for one in found[name]]
        still = Measurement(None, 0, reason="it moves no embedding")
        measured.append(still if any(map(math.isnan, fractions)) else over_repeats(fractions))
    return tuple(measured)


def _metrics() -> tuple[Metric, ...]:
    metrics = []
    for name in TRANSFORMATIONS:
        metrics += [
            Metric(
                f"lie_{name}",
                "1",
                None,
                f"{name}, speed",
                "Speed: |d/dt f(g_t x)| at t = 0 on the unit sphere, root mean square over at most "
                f"{MOST_VELOCITIES} test samples, "
                "t in tenths of the image, radians, factors e or units of the colour factor; 0 = invariant.",
            ),
            Metric(
                f"lie_{name}_unexplained",
                "1",
                False,
                f"{name}, unexplained speed",
                "Unexplained speed: its share, on held-out samples, that the best infinitesimal rotation A f(x) does "
                "not explain; 0 = equivariant, 1 = explains nothing.",
            ),
        ]
    return tuple(metrics)


PROTOCOL = Protocol("lie-derivative-v1", 2, _metrics(), never_skipped, _measure, family="lie derivative")
