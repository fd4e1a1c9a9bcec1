"""Protocol augmentation-profile-v1: equivariant to what? Each augmentation alone, at rising strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.augmentations.strengths import STRENGTHS
from care_bench.evaluation.measurement import MOST_SINGLE, Measurement, Metric, Protocol, never_skipped, over_repeats

if TYPE_CHECKING:
    from care_bench.evaluation.embedded import Embedded


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    import torch

    from care_bench.metrics import held_out_errors, orthogonal_maps
    from care_bench.metrics.checks import directions

    z, *za = directions(embedded.single, "embeddings under one augmentation")
    views = torch.stack(za)
    fitted = embedded.half_of(embedded.single_rows).to(z.device)
    maps = orthogonal_maps(z, views, fitted)
    other = z[~fitted].double()
    found = held_out_errors(z, views, fitted, (turn(other) for turn in maps))
    angles = torch.stack([turn.angles(other).mean() for turn in maps]).tolist()
    moved = found.moved.tolist()
    fractions = (found.orthogonal / found.identity).tolist()
    measured: list[Measurement] = []
    first = 0
    for name, strengths in STRENGTHS.items():
        if name not in embedded.acting:
            measured += [Measurement(None, 0, reason=f"{name} does not change these samples")] * 2
            continue
        here = slice(first, first + len(strengths))
        first = here.stop
        still = [strength for strength, moves in zip(strengths, moved[here], strict=True) if not moves]
        measured.append(
            Measurement(None, 0, reason=f"at strength {still[0]:g} it moves no embedding")
            if still
            else over_repeats(fractions[here])
        )
        measured.append(over_repeats(angles[here]))
    return tuple(measured)


def _metrics() -> tuple[Metric, ...]:
    metrics = []
    for name, strengths in STRENGTHS.items():
        at = ", ".join(f"{strength:g}" for strength in strengths)
        metrics += [
            Metric(
                f"profile_{name}",
                "1",
                False,
                f"{name} alone, unexplained",
                "Alone, unexplained: under this augmentation alone, the held-out error of the best map in O(d) over "
                "that of no map, mean over the strengths, on "
                f"at most {MOST_SINGLE:,} test samples.",
            ),
            Metric(
                f"profile_{name}_angle",
                "degree",
                None,
                f"{name} alone, angle",
                f"Strengths of {name}: {at}." if len(strengths) > 1 else "Angle: by which that map turns embeddings.",
            ),
        ]
    return tuple(metrics)


PROTOCOL = Protocol("augmentation-profile-v1", 3, _metrics(), never_skipped, _measure, family="profile")
