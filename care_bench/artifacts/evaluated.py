"""The records of one evaluated run, held against the summaries that evaluation and pretraining wrote last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from care_bench.artifacts.json_lines import decode_lines, parse
from care_bench.artifacts.record import EXPECTED, Record, Sha256
from care_bench.artifacts.settings import flattened
from care_bench.config import ImportedConfig, RunConfig
from care_bench.config.imported import RUN_FILES, ImportedSettings
from care_bench.config.imported_run import rows_of
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes
from care_bench.untrusted import absent, decoding, read_bytes, sha256_of

RECORDS, EVALUATED, PRETRAINED = "records.jsonl", "evaluate.json", "pretrain.json"
"""The records of a run in its folder, and what evaluation and pretraining write last."""


class _Pretrained(BaseModel):
    """The hashes that both summaries have; ``snapshots`` is epoch -> weights."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    config_sha256: Sha256
    data_sha256: Sha256
    weights_sha256: Sha256
    snapshots: dict[str, Sha256]


class _Evaluated(_Pretrained):
    records_sha256: Sha256


Summary = TypeVar("Summary", bound=_Pretrained)


class Evaluated(NamedTuple):
    """The records of one run, and the SHA-256 of their file."""

    records: list[Record]
    sha256: str


def summary_of(records: Path) -> Path:
    """Return where the summary of a file of records is: `evaluate.json` beside `records.jsonl`, else by its stem."""
    return records.with_name(EVALUATED if records.name == RECORDS else f"{records.stem}.{EVALUATED}")


def read_evaluated(path: Path, run: RunConfig | ImportedConfig | None = None) -> Evaluated:
    """Read the records of one run, and check that they are those that were measured.

    Args:
        path: the file of records.
        run: the run that it is expected to be of, whose folder then has to have the summary of the pretraining too; or
            the imported encoder.

    Raises:
        CareBenchError: no such file, or a damaged or edited line, named as file:line; lines that were removed, added or
            moved; no summary, or one of other records; records of another run, configuration, data or weights, or of
            other files of an imported encoder than are there.
    """
    content = read_bytes(path, EXPECTED)
    records = decode_lines(content, path, Record, "record")
    source = summary_of(path)
    summary = _read(source, _Evaluated, "evaluate")
    if isinstance(run, ImportedConfig):
        _check_imported(records, path, run)
    elif run is not None:
        if summary.config_sha256 != run.sha256():
            raise CareBenchError(
                f"{path} has records of config {summary.config_sha256[:12]}, run {run.id} of profile {run.profile} has "
                f"config {run.sha256()[:12]}; pretrain and evaluate it, or collect the profile that it was made with"
            )
        _check_identity(records, path, run.profile, run.dataset, (run.variant,), run.seed)
    if summary.records_sha256 != sha256_bytes(content):
        raise CareBenchError(
            f"{path} was changed after it was measured: lines were removed, added or moved; evaluate the run again"
        )
    _check_hashes(records, path, summary, source)
    pretrained = path.with_name(PRETRAINED)
    if isinstance(run, RunConfig) or (run is None and path.name == RECORDS and not absent(pretrained)):
        _check_same(summary, source, _read(pretrained, _Pretrained, "pretrain"), pretrained)
    return Evaluated(records, summary.records_sha256)


def check_settings(records: Sequence[Record], path: Path, expected: Mapping[str, Any], profile: str) -> None:
    """Check that the records of a file were measured with the settings that a profile has.

    Args:
        records: of one run.
        path: where they are.
        expected: what the run's records have as `evaluation`, before it is JSON.
        profile: its name.

    Raises:
        CareBenchError: they were not; names the first setting that differs.
    """
    wanted = canonical_json(expected).decode()
    for record in records:
        if record.evaluation != wanted:
            found, ours = dict(flattened(record.evaluation)), dict(flattened(wanted))
            key = next(key for key in sorted(found | ours) if found.get(key) != ours.get(key))
            texts = (json.dumps(one[key]) if key in one else "absent" for one in (found, ours))
            raise CareBenchError(
                f"{path} was measured with evaluation.{key} = {next(texts)}, profile {profile} has {next(texts)}; "
                "evaluate the run again with the settings of the profile"
            )


def _read(path: Path, model: type[Summary], command: str) -> Summary:
    expected = f"expected what care-bench {command} writes last"
    content = read_bytes(path, expected)
    with decoding(path, expected):
        return parse(model, content.decode(), str(path), "summary")


def _check_imported(records: Sequence[Record], path: Path, one: ImportedConfig) -> None:
    """Check that a file has the records of an imported encoder, with the settings that are expected."""
    settings = one.imported
    _check_identity(records, path, one.profile, one.dataset, rows_of(one.variant, settings.layers), settings.seed)
    with decoding(path, "expected records that care-bench wrote"):
        recorded = json.loads(records[0].config)
        if recorded["settings"] != settings.recorded():
            raise CareBenchError(
                f"{path} has records of other settings of {one.id} than profile {one.profile} has; measure it again"
            )
        hashes = _recorded_hashes(settings, recorded["provenance"])
    for file, expected in hashes.items():
        if absent(file) or sha256_of(file, "expected a file of the encoder") != expected:
            raise CareBenchError(
                f"{path} has records of {one.id} that were made from another {file.name} than {file} of profile "
                f"{one.profile}; measure it again"
            )


def _recorded_hashes(settings: ImportedSettings, provenance: Mapping[str, Any]) -> dict[Path, str | None]:
    """Return the files of an encoder with the hashes that its records have.

    Weights or code that are no longer there are left out, but not a file that code still there has imported.
    """
    made_by = provenance["made_by"]
    found: dict[Path, str | None] = {}
    if settings.weights is not None:
        found[Path(settings.weights)] = provenance["weights_sha256"]
    if settings.is_run:
        found[Path(settings.name, RUN_FILES[0])] = made_by.get("weights_sha256")
    if settings.is_file:
        found[Path(settings.source)] = made_by[Path(settings.source).name].removeprefix("sha256 ")
    found = {file: sha256 for file, sha256 in found.items() if not absent(file)}
    if (code := Path(settings.source)) in found:
        beside = {code.resolve().parent / name: made for name, made in made_by.items() if name != code.name}
        found |= {file: made.removeprefix("sha256 ") for file, made in beside.items()}
    return found


def _check_identity(
    records: Sequence[Record], path: Path, profile: str, dataset: str, variants: Sequence[str], seed: int
) -> None:
    """Check that a file has records, of its run alone."""
    if not records:
        raise CareBenchError(f"{path} holds no records; evaluate the run again")
    expected = {(profile, dataset, variant, seed) for variant in variants}
    for number, record in enumerate(records, start=1):
        found = (record.profile, record.dataset, record.variant, record.seed)
        if found not in expected:
            named, right = ("/".join(map(str, parts)) for parts in (found, min(expected)))
            raise CareBenchError(f"{path}:{number}: a record of {named}; expected {right}")


def _check_hashes(records: Sequence[Record], path: Path, summary: _Evaluated, source: Path) -> None:
    """Compare configuration, data and weights of every record with the summary."""
    for number, record in enumerate(records, start=1):
        weights = summary.weights_sha256 if record.epoch is None else summary.snapshots.get(str(record.epoch), "none")
        pairs = {
            "config_sha256": (record.config_sha256, summary.config_sha256),
            "data_sha256": (record.data_sha256, summary.data_sha256),
            "weights_sha256": (record.weights_sha256, weights if record.weights_sha256 else ""),
        }
        for key, (found, expected) in pairs.items():
            if found != expected:
                raise CareBenchError(
                    f"{path}:{number}: {key} is {found[:12]}, {source} says {expected[:12]}; evaluate the run again"
                )


def _check_same(summary: _Evaluated, source: Path, pretrained: _Pretrained, other: Path) -> None:
    for key in _Pretrained.model_fields:
        if getattr(summary, key) != getattr(pretrained, key):
            raise CareBenchError(
                f"{source} and {other} differ in {key}: the run was trained again after it was measured, or a file was "
                "changed; evaluate the run again"
            )
