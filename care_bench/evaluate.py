"""From a finished run to its records, for ``care-bench evaluate``."""

from __future__ import annotations

from pathlib import Path

from care_bench.artifacts import Record, code_version, environment, write_records
from care_bench.config import EvaluationConfig
from care_bench.evaluation.run import evaluate_run
from care_bench.files import canonical_json


def evaluate(folder: Path, data: Path, settings: EvaluationConfig, out: Path) -> list[Record]:
    """Evaluate a run and its snapshots, and write one record per metric.

    Args:
        folder: folder of the finished run.
        data: folder of prepared data sets.
        settings: how to evaluate.
        out: file of records to write.

    Raises:
        CareBenchError: as :func:`care_bench.evaluation.run.evaluate_run`, or the file cannot be written.
    """
    evaluation = evaluate_run(folder, data, settings)
    config, summary = evaluation.config, evaluation.summary
    version, packages = code_version(), environment()
    under = canonical_json(settings.recorded(config)).decode()
    records = [
        Record(
            profile=config.profile,
            dataset=config.dataset,
            method=config.method.name,
            base=config.method.base_name,
            fidelity=config.method.fidelity_used,
            variant=config.variant,
            backbone=config.encoder.backbone.name,
            seed=config.seed,
            epoch=measured.epoch,
            protocol=measured.protocol.id,
            protocol_version=measured.protocol.version,
            representation=measured.representation,
            metric=measured.metric.name,
            value=measured.measurement.value,
            reason=measured.measurement.reason,
            unit=measured.metric.unit,
            n=measured.measurement.n,
            samples=settings.samples,
            spread=measured.measurement.spread,
            values=measured.measurement.values,
            higher_is_better=measured.metric.higher_is_better,
            evaluation=under,
            config=canonical_json(config.model_dump(mode="json")).decode(),
            config_sha256=summary["config_sha256"],
            data_sha256=summary["data_sha256"],
            weights_sha256=measured.weights_sha256,
            code_version=version,
            environment=packages,
            device=evaluation.device,
            duration_s=round(measured.seconds, 3),
        )
        for measured in evaluation.measured
    ]
    write_records(out, records)
    return records
