"""The evaluation protocols, one file each. An id fixes every detail of a measurement; listing them imports no torch.

A new protocol is a file in this package and an entry here, or an entry point of another package.
"""

from __future__ import annotations

from care_bench import plugins
from care_bench.evaluation.measurement import Metric, Protocol
from care_bench.evaluation.protocols import (
    alignment_uniformity,
    augmentation_prediction,
    augmentation_profile,
    certificate,
    composition,
    cosines,
    equivariant_retrieval,
    gradient_ratio,
    held_out_wahba,
    knn,
    lie_derivative,
    linear_probes,
    point_clouds,
    relative_equivariance,
    retrieval,
    streamed_probes,
    wahba,
)

OURS = (
    linear_probes.CACHED,
    linear_probes.PAPER_SMALL,
    linear_probes.PAPER_IMAGENET100,
    streamed_probes.RELEASED_SMALL,
    streamed_probes.AUGMENTED_IMAGENET100,
    knn.PROTOCOL,
    wahba.PROTOCOL,
    relative_equivariance.PROTOCOL,
    cosines.PLAIN_AND_AUGMENTED,
    cosines.POSITIVE_PAIRS,
    alignment_uniformity.PROTOCOL,
    composition.PROTOCOL,
    certificate.PROTOCOL,
    held_out_wahba.PROTOCOL,
    augmentation_prediction.PROTOCOL,
    augmentation_profile.PROTOCOL,
    lie_derivative.PROTOCOL,
    gradient_ratio.PROTOCOL,
    retrieval.PROTOCOL,
    equivariant_retrieval.PROTOCOL,
    point_clouds.FIRST_COMPONENT,
    point_clouds.TRAJECTORIES,
)
"""The protocols of care_bench, in the order in which they are measured and shown."""


def _check(name: str, found: object) -> Protocol:
    if not isinstance(found, Protocol) or found.id != name:
        held = f"protocol {found.id!r}" if isinstance(found, Protocol) else repr(found)
        raise ValueError(f"holds {held}; expected a care_bench.evaluation.measurement.Protocol of that id")
    return found


PROTOCOLS: plugins.Registry[Protocol] = plugins.Registry(
    plugins.EVALUATIONS, {protocol.id: protocol for protocol in OURS}, _check
)
"""Id -> protocol: ours, then those of installed packages by name."""

METRICS: dict[str, Metric] = {metric.name: metric for protocol in OURS for metric in protocol.metrics}
"""Name -> metric of our protocols, in their order."""
