"""The records of one encoder: every metric of every protocol, with what they have in common."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from care_bench import plugins
from care_bench.artifacts import Record
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.measurement import Measurement, Protocol
from care_bench.names import REPRESENTATIONS, Representation
from care_bench.progress import progress


class Row(NamedTuple):
    """A layer of an encoder, and what its records are called.

    Attributes:
        layer: the encoder's name for it.
        representation: what it is in tables.
        variant: the row of tables that it belongs to.
    """

    layer: str
    representation: Representation
    variant: str


def measure_encoder(
    embedder: Embedder,
    protocols: Sequence[Protocol],
    shared: Mapping[str, Any],
    weights_sha256: str,
    epoch: int | None = None,
    rows: Sequence[Row] = (),
) -> Iterator[Record]:
    """Yield one record for every metric of every protocol and row, and show the progress.

    Args:
        embedder: the encoder's.
        protocols: how to measure; of a snapshot only those with ``over_training``.
        shared: fields that all records of the run have in common.
        weights_sha256: of the encoder's weights.
        epoch: of a snapshot; None after the last step.
        rows: the layers to measure; by default projection and features of a run, all of its variant.

    Raises:
        CareBenchError: an embedding is not finite, or another package's protocol is unusable.
    """
    chosen = rows or [Row(name, name, shared["variant"]) for name in REPRESENTATIONS]
    layers = {row: embedder.embedded(row.layer) for row in chosen}
    work = [
        (protocol, row, embedded)
        for protocol in protocols
        if epoch is None or protocol.over_training
        for row, embedded in layers.items()
        if row.representation in protocol.representations
    ]
    with progress(f"{embedder.where}: protocols", len(work)) as advance:
        for done, (protocol, row, embedded) in enumerate(work):
            advance(done, f"{protocol.id} of {row.layer}")
            began = time.perf_counter() - embedder.seconds
            measurements = measure(protocol, embedded)
            seconds = time.perf_counter() - embedder.seconds - began
            for metric, measurement in zip(protocol.metrics, measurements, strict=True):
                try:
                    record = Record(
                        **{**shared, "variant": row.variant},
                        epoch=epoch,
                        protocol=protocol.id,
                        protocol_version=protocol.version,
                        representation=row.representation,
                        metric=metric.name,
                        value=measurement.value,
                        reason=measurement.reason,
                        unit=metric.unit,
                        n=measurement.n,
                        spread=measurement.spread,
                        values=measurement.values,
                        higher_is_better=metric.higher_is_better,
                        weights_sha256=weights_sha256,
                        duration_s=round(max(seconds, 0.0), 3),  # of all metrics together, without embedding
                    )
                except ValidationError as error:  # a measurement that contradicts itself, by another package's protocol
                    found = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
                    raise CareBenchError(f"protocol {protocol.id!r}, metric {metric.name!r}: {found}") from None
                yield record
        advance(len(work), "")


def measure(protocol: Protocol, embedded: Embedded) -> tuple[Measurement, ...]:
    """Measure embeddings under a protocol: one measurement per metric, without a value where there is a reason.

    Raises:
        CareBenchError: an embedding is not finite, or another package's protocol returns something else or raises
            anything but ValueError.
    """
    package = plugins.owner(plugins.EVALUATIONS, protocol.id)
    with plugins.guarded(package, f"cannot measure {embedded.dataset.name}"):
        return _measured(protocol, embedded)


def _measured(protocol: Protocol, embedded: Embedded) -> tuple[Measurement, ...]:
    reason = protocol.skip(embedded.dataset)
    if reason is None:
        try:
            measurements = protocol.measure(embedded)
        except ValueError as error:
            # A metric that is undefined on these embeddings, such as an angle to zero: a blank with its reason.
            reason = str(error)
        else:
            _check_measurements(measurements, protocol)
            return tuple(_defined(measurement) for measurement in measurements)
    return tuple(Measurement(None, 0, reason=reason) for _ in protocol.metrics)


def _check_measurements(measurements: object, protocol: Protocol) -> None:
    number = len(protocol.metrics)
    given = measurements if isinstance(measurements, tuple) else (measurements,)
    if len(given) != number or not all(isinstance(one, Measurement) for one in given):
        raise CareBenchError(
            f"protocol {protocol.id!r} measured {measurements!r}; expected a tuple of {number} Measurement"
        )


def _defined(measurement: Measurement) -> Measurement:
    if measurement.value is None or math.isfinite(measurement.value):
        return measurement
    return Measurement(None, measurement.n, reason=f"undefined on these embeddings: {measurement.value}")
