"""Collections: the records of one profile as one tidy frame, written to and read from a folder."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_bench.artifacts import Record, read_records
from care_bench.config import Profile, RunConfig
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_file, write_bytes

if TYPE_CHECKING:
    import pandas as pd

PARQUET = "records.parquet"
CSV = "records.csv"
PROFILE = "profile.json"
"""The profile of a collection, as JSON."""
COLLECTED = "collected"
PINNED = "pinned"
RECORDS, SUMMARY = "records.jsonl", "evaluate.json"
"""The records of a run, in its folder."""
SHOWN = 3
"""Missing files that a message names."""
HOW_TO_COLLECT = "make one with `care-bench collect RECORDS... --out results/collected/NAME`"

_DTYPES = {"value": "float64", "spread": "float64", "duration_s": "float64", "higher_is_better": "boolean"}
_DTYPES |= {**dict.fromkeys(("seed", "protocol_version", "n"), "int64"), "epoch": "Int64", "samples": "Int64"}

_NESTED = ("environment", "values")
"""Keys of a record that are JSON in a cell."""


@dataclass(frozen=True)
class Collection:
    """The records of one profile, fresh (results/collected) or pinned (results/pinned), sorted by identity.

    Attributes:
        name: name of its folder.
        records: at least one.
        pinned_on: date of the pin; None for a fresh collection.
        variants: data set -> its variants, both in the order of the profile; empty where the folder has no profile.
    """

    name: str
    records: tuple[Record, ...]
    pinned_on: str | None = None
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`collected/NAME` or `pinned/NAME`: its folder below the results folder."""
        return f"{COLLECTED if self.pinned_on is None else PINNED}/{self.name}"

    @property
    def profile(self) -> str:
        """The profile all records belong to."""
        return self.records[0].profile


def collect(files: Iterable[Path], folder: Path) -> Path:
    """Gather files of records into ``folder``: `records.parquet` and `records.csv`, one row per record.

    The same records give the same bytes in any order and number of files; a record found twice counts once.

    Args:
        files: files of records (JSON lines).
        folder: the collection to make or replace, `results/collected/<profile>`.

    Returns:
        Path of the parquet file.

    Raises:
        CareBenchError: no records, a damaged line, records that contradict each other (see :func:`check`), or a
            folder that cannot be written.
    """
    return _write(files, folder, {})


def collect_profile(profile: Profile, runs: Path, folder: Path) -> Path:
    """Gather the records of every run of a profile as :func:`collect` does, with the profile as `profile.json`.

    Args:
        profile: the matrix of runs.
        runs: folder of the profile's runs; each has its `records.jsonl` in `runs/<data set>/<variant>/seed<N>`.
        folder: the collection to make or replace. Its files are replaced one by one, `records.parquet` last.

    Returns:
        Path of the parquet file.

    Raises:
        CareBenchError: as :func:`collect`; runs lack records, their number and the first of them; or the records of a
            run are of another configuration, or were edited since they were measured.
    """
    configs = profile.runs()
    files = [runs / run.id / RECORDS for run in configs]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise CareBenchError(
            f"records of {len(missing)} of {len(files)} runs of profile {profile.name} are missing: "
            f"{', '.join(missing[:SHOWN])}{more}; expected every run to be evaluated"
        )
    for run, path in zip(configs, files, strict=True):
        _check_summary(path, run)
    return _write(files, folder, {PROFILE: profile.model_dump_json().encode() + b"\n"})


def _check_summary(records: Path, run: RunConfig) -> None:
    """Hold the records of a run against the summary that its evaluation wrote last.

    Raises:
        CareBenchError: no summary, a damaged one, or one of other records or of another configuration.
    """
    path = records.with_name(SUMMARY)
    try:
        summary = json.loads(path.read_bytes())
        config, digest = summary["config_sha256"], summary["records_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CareBenchError(f"cannot read {path} ({error}); expected what care-bench evaluate writes last") from None
    if config != run.sha256():
        raise CareBenchError(
            f"{records} has records of config {config[:12]}, run {run.id} of profile {run.profile} has config "
            f"{run.sha256()[:12]}; pretrain and evaluate it, or collect the profile that it was made with"
        )
    if digest != sha256_file(records):
        raise CareBenchError(f"{records} was changed after it was measured; evaluate the run again")


def _write(files: Iterable[Path], folder: Path, extra: Mapping[str, bytes]) -> Path:
    unique = {record.sha256: record for path in files for record in read_records(path)}
    records = sorted(unique.values(), key=lambda record: (record.identity, record.sha256))
    check(records, str(folder))
    for name, content in {**extra, **encode(records)}.items():
        write_bytes(folder / name, content)
    return folder / PARQUET


def encode(records: Sequence[Record]) -> dict[str, bytes]:
    """Return the files of a collection: name -> content. The parquet file comes last and makes it complete."""
    tidy = frame(records)
    table, parquet = io.BytesIO(), io.BytesIO()
    tidy.to_csv(table, index=False, lineterminator="\n")
    tidy.to_parquet(parquet, index=False)
    return {CSV: table.getvalue(), PARQUET: parquet.getvalue()}


def frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row per record: its id, then its keys; environment and values as canonical JSON, None where there is none."""
    import pandas as pd  # half a second that reading records does not need

    names = ["id", *Record.model_fields]
    columns = {name: [_cell(getattr(record, name), name) for record in records] for name in names}
    kinds = {name: _DTYPES.get(name, "object") for name in names}
    return pd.DataFrame(columns, columns=pd.Index(names), dtype="object").astype(kinds)


def read_collection(folder: Path, pinned_on: str | None = None) -> Collection:
    """Read a collection and check every record against its id.

    Args:
        folder: holds `records.parquet`, and `profile.json` where the profile is known; its name is the collection's.
        pinned_on: the date of the pin, for a pinned collection.

    Raises:
        CareBenchError: not a readable parquet file, a damaged record, a record that does not match its id,
            records that contradict each other, or a damaged profile.
    """
    records = []
    for number, row in enumerate(_rows(folder / PARQUET), start=1):
        where = f"{folder / PARQUET} row {number}"
        name = row.pop("id", None)
        record = Record.parse(_with_nested(row, where), where)
        if record.id != name:
            raise CareBenchError(f"{where}: the record is {record.id}, found id {name!r}: it was changed by hand")
        records.append(record)
    check(records, str(folder))
    return Collection(folder.name, tuple(records), pinned_on, _read_variants(folder))


def check(records: Sequence[Record], where: str) -> None:
    """Check that records can be in one table.

    Raises:
        CareBenchError: no records; two measurements of the same thing; several profiles; one protocol at two
            versions or on two numbers of samples; one data set with two contents or two settings of its evaluation;
            one metric with two units or directions.
    """
    if not records:
        raise CareBenchError(f"{where}: found no records to collect; expected files of records with at least one")
    _one_per("outcome of one measurement", records, lambda r: r.identity, lambda r: r.id, where)
    _one_per("profile", records, lambda r: "one collection", lambda r: r.profile, where)
    _one_per("version", records, lambda r: f"protocol {r.protocol}", lambda r: r.protocol_version, where)
    _one_per("number of samples", records, lambda r: f"protocol {r.protocol}", lambda r: r.samples or "all", where)
    _one_per("content", records, lambda r: f"data set {r.dataset}", lambda r: r.data_sha256, where)
    _one_per("evaluation", records, lambda r: f"data set {r.dataset}", lambda r: r.evaluation, where)
    _one_per("unit", records, lambda r: f"metric {r.metric}", lambda r: r.unit, where)
    _one_per("direction", records, lambda r: f"metric {r.metric}", lambda r: r.higher_is_better, where)


def _one_per(
    what: str,
    records: Sequence[Record],
    group: Callable[[Record], Hashable],
    value: Callable[[Record], Hashable],
    where: str,
) -> None:
    first: dict[Hashable, Record] = {}
    for record in records:
        name = group(record)
        before = first.setdefault(name, record)
        if value(before) != value(record):
            shown = " ".join(str(part) for part in name if part != "") if isinstance(name, tuple) else name
            raise CareBenchError(
                f"{where}: found more than one {what} in {shown}: {value(before)} and {value(record)} "
                f"(records {before.id} and {record.id}); expected one"
            )


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(path.read_bytes()), use_threads=False).to_pylist()
    except OSError as error:
        raise CareBenchError(f"cannot read {path}: {error.strerror or error}; {HOW_TO_COLLECT}") from None
    except pa.ArrowException as error:
        raise CareBenchError(f"{path} is damaged: {' '.join(str(error).split())}; collect it again") from None
    return rows


def _cell(value: Any, name: str) -> Any:
    return sys.intern(canonical_json(value).decode()) if name in _NESTED and value is not None else value


def _with_nested(row: dict[str, Any], where: str) -> dict[str, Any]:
    nested = {}
    for key in _NESTED:
        try:
            nested[key] = None if row[key] is None else json.loads(row[key])
        except (KeyError, TypeError, ValueError):
            raise CareBenchError(f"{where}: damaged record: {key} is not a JSON string") from None
    return {**row, **nested}


def _read_variants(folder: Path) -> dict[str, tuple[str, ...]]:
    """Data sets and variants, in their order, of the profile in the folder of a collection; none without a profile.

    Raises:
        CareBenchError: a file that is no profile as JSON.
    """
    path = folder / PROFILE
    try:
        datasets = json.loads(path.read_bytes())["datasets"]
        return {name: tuple(plan["methods"].keys()) for name, plan in datasets.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CareBenchError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        expected = "expected the JSON of a profile with its data sets and variants"
        raise CareBenchError(f"{path} is damaged: {expected}") from None
