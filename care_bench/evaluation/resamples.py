"""Measure finished runs again on halves of the test samples: the metrics alone that rules for claims compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from care_bench.artifacts import code_version
from care_bench.artifacts.json_lines import decode_lines, encode_lines
from care_bench.artifacts.resamples import DIGITS, Resampled, Resamples
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.claimed import Claimed, claimed
from care_bench.config.claims import ClaimRules
from care_bench.data.subsets import entries
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.halves import embedded_half, halves
from care_bench.evaluation.inputs import is_current, write_kept
from care_bench.evaluation.measurement import MOST_SAMPLES, Measurement
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import measure
from care_bench.evaluation.run import Task, Weights, alone, embedders
from care_bench.files import canonical_json, write_bytes
from care_bench.runs.device import best_device, reproducible

UNTOUCHED = "training"
"""Family of the protocols that measure no test sample."""


def resample(
    configs: Sequence[RunConfig],
    rules: ClaimRules,
    number: int,
    settings: EvaluationConfig,
    runs: Path,
    data: Path,
    out: Path,
) -> list[Resamples]:
    """Write the metrics of some runs on halves of the test samples, a line for each run that the rules compare.

    The encoders are not trained again, and records are neither read nor written. The sampled augmentations, the
    training samples and all that is fitted to them are the same for every half. Each run keeps its line in its folder,
    `resamples.jsonl`, and is not measured again while all that it depends on is the same.

    Args:
        configs: the runs.
        rules: what is compared, and with which seeds; their protocols and metrics exist.
        number: of halves.
        settings: of the evaluation, those of the records.
        runs: folder of the runs; run `DATASET/VARIANT/seedN` has the folder of that name below it.
        data: folder of prepared data sets.
        out: JSON lines to write.

    Raises:
        CareBenchError: runs of another profile than the rules, or a run as
            :func:`care_bench.evaluation.run.evaluate` refuses it.
    """
    if others := {config.profile for config in configs} - {rules.profile}:
        raise CareBenchError(f"runs of profile {min(others)!r}; the rules for claims are of profile {rules.profile!r}")
    wanted: dict[tuple[str, str], dict[Claimed, bool]] = defaultdict(dict)
    for one, draws in claimed(rules).items():
        if PROTOCOLS[one.protocol].family != UNTOUCHED:
            wanted[one.dataset, one.variant][one] = draws
    lines = []
    for config in configs:
        part = wanted[config.dataset, config.variant] if config.seed in rules.seeds else {}
        if part and (line := _resampled(config, part, number, settings, runs / config.id, data)) is not None:
            lines.append(line)
    write_bytes(out, encode_lines(lines))
    return lines


def _resampled(
    config: RunConfig, wanted: Mapping[Claimed, bool], number: int, settings: EvaluationConfig, path: Path, data: Path
) -> Resamples | None:
    """Return the halves of a run; None where its test split is so large that protocols measure a part of it."""
    with alone(path):
        task = Task.open(path, data, settings)
        task.folder.check(config)
        kept = task.folder.resamples
        inputs = {**task.inputs(), "halves": number, "wanted": [f"{one} {draws}" for one, draws in wanted.items()]}
        if is_current(kept, inputs):
            return decode_lines(kept.read_bytes(), kept, Resamples, "resamples")[0]
        found = _measured(task, wanted, number)
        if found is not None:
            write_kept(kept, encode_lines([found]), inputs)
        return found


def _measured(task: Task, wanted: Mapping[Claimed, bool], number: int) -> Resamples | None:
    config, settings = task.config, task.settings
    training, device = config.training, best_device()
    found: list[Resampled] = []
    of = None
    with reproducible(training.deterministic, training.threads, device, tf32=training.tf32):
        for weights, embedder in embedders(task, device):
            of = entries(embedder.dataset.test)
            if len(of) > MOST_SAMPLES:
                return None
            rows = list(halves(embedder.dataset, number))
            found += _of_weights(weights, embedder, wanted, rows)
    assert of is not None
    count = int(of.max()) + 1
    return Resamples(
        profile=config.profile,
        dataset=config.dataset,
        variant=config.variant,
        seed=config.seed,
        config_sha256=task.summary.config_sha256,
        data_sha256=task.summary.data_sha256,
        evaluation=canonical_json(settings.recorded(config)).decode(),
        code_version=code_version(),
        units=count,
        kept=count // 2,
        found=tuple(found),
    )


def _of_weights(
    weights: Weights, embedder: Embedder, wanted: Mapping[Claimed, bool], rows: Sequence[Tensor]
) -> Iterator[Resampled]:
    """Yield the metrics of one encoder on every half; a protocol measures a half once for all of its metrics."""
    by_protocol = defaultdict(list)
    for one in wanted:
        if one.epoch == weights.epoch:
            by_protocol[one.protocol, one.representation].append(one)
    for (name, representation), metrics in by_protocol.items():
        protocol, whole = PROTOCOLS[name], embedder.embedded(representation)
        measured = [measure(protocol, embedded_half(whole, part)) for part in rows]
        for one in metrics:
            place = [metric.name for metric in protocol.metrics].index(one.metric)
            found = [measurements[place] for measurements in measured]
            values = [measurement.value for measurement in found]
            if None in values:  # undefined on a half
                continue
            yield Resampled(
                epoch=one.epoch,
                weights_sha256=weights.sha256,
                protocol=name,
                protocol_version=protocol.version,
                representation=one.representation,
                metric=one.metric,
                values=tuple(_short(value) for value in values if value is not None),
                draws=_draws(found) if wanted[one] else (),
            )


def _draws(found: Sequence[Measurement]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(_short, one.values)) for one in found if one.values is not None)


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
