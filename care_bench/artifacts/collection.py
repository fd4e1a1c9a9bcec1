"""Collections: the records of one profile as one tidy frame, in a folder that is written whole, under a manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from care_bench.artifacts.consistency import check
from care_bench.artifacts.evaluated import RECORDS, read_evaluated
from care_bench.artifacts.folders import SHOWN, check_replaceable
from care_bench.artifacts.frame import CSV, PARQUET, encode, read_parquet
from care_bench.artifacts.illustrations import NAME as ILLUSTRATIONS
from care_bench.artifacts.illustrations import Illustrations, read_illustrations
from care_bench.artifacts.json_lines import encode_lines
from care_bench.artifacts.manifest import Manifest
from care_bench.artifacts.record import Record
from care_bench.config import ImportedConfig, Profile, RunConfig
from care_bench.config.claims import read_claims
from care_bench.config.imported_run import rows_of
from care_bench.config.profile import kept_under
from care_bench.errors import CareBenchError
from care_bench.files import replacing, sha256_file, write_bytes
from care_bench.untrusted import absent, decoding, read_bytes, read_json

PROFILE = "profile.json"
"""The profile of a collection, as JSON."""
RULES = "claims.yaml"
"""The rules for claims as they were before the first training, where the profile has some."""
COLLECTED, PINNED = "collected", "pinned"
FROM_PROFILE, FROM_RECORDS = "profile", "records"
"""What a collection can be made from: all runs of a profile, or files of records that were named."""
HOW_TO_COLLECT = "make one with `care-bench collect RECORDS... --out results/collected/NAME`"

_PARTS = re.compile(r"MANIFEST\.json|profile\.json|claims\.yaml|illustrations\.jsonl|records\.(csv|parquet)")
_ELSEWHERE = "expected another folder, or --replace"


@dataclass(frozen=True)
class Collection:
    """The records of one profile, fresh (results/collected) or pinned (results/pinned), sorted by identity.

    Attributes:
        name: name of its folder.
        records: at least one.
        pinned_on: date of the pin; None for a fresh collection.
        variants: data set -> its variants, both in the order of the profile; empty where the folder has no profile.
        rules: the file of rules for claims as it was before the first training; None where none was kept.
        illustrations: what pictures of encoders are drawn from, by data set; empty where none were made.
    """

    name: str
    records: tuple[Record, ...]
    pinned_on: str | None = None
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: bytes | None = None
    illustrations: tuple[Illustrations, ...] = ()

    @property
    def key(self) -> str:
        """`collected/NAME` or `pinned/NAME`: its folder below the results folder."""
        return f"{COLLECTED if self.pinned_on is None else PINNED}/{self.name}"

    @property
    def profile(self) -> str:
        """The profile all records belong to."""
        return self.records[0].profile


def collect(files: Iterable[Path], folder: Path, replace: bool = False) -> Path:
    """Gather files of records into ``folder``: `records.parquet` and `records.csv`, one row per record, and a manifest.

    The same records give the same bytes in any order and number of files; a record found twice counts once.

    Args:
        files: files of records (JSON lines), each with the summary of its evaluation beside it.
        folder: the collection to make or replace, `results/collected/<name>`.
        replace: replace a collection of another profile, or one of all runs of a profile.

    Returns:
        Path of the parquet file.

    Raises:
        CareBenchError: no records, records that are not those that were measured (see :func:`read_evaluated`) or that
            contradict each other (see :func:`check`), a folder that cannot be written, a pin, or a folder that holds
            anything else than a collection. ``folder`` is then unchanged.
    """
    found = (record for path in files for record in read_evaluated(path))
    return _write(found, folder, {}, replace)


def collect_profile(
    profile: Profile,
    runs: Path,
    folder: Path,
    replace: bool = False,
    rules: Path | None = None,
    illustrations: Sequence[Path] = (),
) -> Path:
    """Gather the records of every run of a profile as :func:`collect` does, with the profile as `profile.json`.

    Args:
        profile: the matrix of runs.
        runs: folder of the profile's runs; each has its `records.jsonl` in `runs/<data set>/<variant>/seed<N>`.
        folder: the collection to make or replace.
        replace: replace a collection of another profile.
        rules: the rules for claims as they were before the first training, which are kept as `claims.yaml`.
        illustrations: files of them, which are kept in this order as `illustrations.jsonl`.

    Returns:
        Path of the parquet file.

    Raises:
        CareBenchError: as :func:`collect`; runs lack records, their number and the first of them; the records of a run
            are of another run or configuration; the rules are damaged, or those of another profile; or illustrations
            are damaged, or of other runs than the records.
    """
    configs: list[RunConfig | ImportedConfig] = [*profile.runs(), *profile.imported()]
    files = [runs / run.id / RECORDS for run in configs]
    missing = [str(path) for path in files if absent(path)]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise CareBenchError(
            f"records of {len(missing)} of {len(files)} runs of profile {profile.name} are missing: "
            f"{', '.join(missing[:SHOWN])}{more}; expected every run to be evaluated"
        )
    found = [record for run, path in zip(configs, files, strict=True) for record in read_evaluated(path, run)]
    beside = {PROFILE: profile.model_dump_json().encode() + b"\n"}
    if rules is not None:
        if (of := read_claims(rules)[0].profile) != profile.name:
            raise CareBenchError(f"{rules} holds rules for profile {of!r}; expected profile {profile.name!r}")
        beside[RULES] = read_bytes(rules, "expected rules for claims")
    if illustrations:
        lines = [line for path in illustrations for line in read_illustrations(path, found)]
        beside[ILLUSTRATIONS] = encode_lines(lines)
    return _write(found, folder, beside, replace)


def read_collection(folder: Path, pinned: bool = False) -> Collection:
    """Read a collection after checking that it is as it was made.

    Args:
        folder: a collection or a pin; its name is the collection's.
        pinned: whether it is a pin, whose manifest has a date.

    Raises:
        CareBenchError: no manifest, or a damaged one; a file that is missing, added, changed or unreadable; a record
            that does not match its id; records that contradict each other; or a manifest, a profile and records that
            do not belong together.
    """
    if absent(folder / Manifest.NAME) and not pinned:
        raise CareBenchError(f"missing {folder / Manifest.NAME}: {folder} is no whole collection; {HOW_TO_COLLECT}")
    manifest = _load(folder, pinned)
    date = manifest.about.get("date")
    if pinned and not isinstance(date, str):
        raise CareBenchError(f"{folder / Manifest.NAME} has no date: it is not the manifest of a pin")
    try:
        manifest.verify()
    except CareBenchError as error:
        raise error if pinned else CareBenchError(f"{error}; collect it again") from None
    records = read_parquet(folder / PARQUET)
    check(records, str(folder))
    if manifest.about["profile"] != records[0].profile:
        raise _mixture(
            folder, f"its manifest names profile {manifest.about['profile']}, its records {records[0].profile}"
        )
    variants = _variants_of(folder, records) if PROFILE in manifest.files else {}
    rules = read_bytes(folder / RULES, "expected rules for claims") if RULES in manifest.files else None
    drawn = read_illustrations(folder / ILLUSTRATIONS, records) if ILLUSTRATIONS in manifest.files else ()
    return Collection(folder.name, tuple(records), str(date) if pinned else None, variants, rules, drawn)


def made_from(folder: Path) -> str | None:
    """Return the SHA-256 of the manifest of a collection that was made from a profile.

    It is None for every other folder, and for a collection with a file that is missing, added or changed. No library
    for tables is imported.
    """
    try:
        manifest = _load(folder)
        manifest.verify()
        digest = sha256_file(folder / Manifest.NAME)
    except (CareBenchError, OSError):
        return None
    return digest if manifest.about["made_from"] == FROM_PROFILE else None


def _write(found: Iterable[Record], folder: Path, beside: Mapping[str, bytes], replace: bool) -> Path:
    """Write a collection of records with some files beside them: those of a profile, or none."""
    unique = {record.sha256: record for record in found}
    records = sorted(unique.values(), key=lambda record: (record.identity, record.sha256))
    check(records, str(folder))
    files = {**encode(records), **beside}
    about: dict[str, str | list[str]] = {
        "profile": records[0].profile,
        "made_from": FROM_PROFILE if PROFILE in beside else FROM_RECORDS,
        "code_versions": sorted({record.code_version for record in records}),
    }
    if folder.name.startswith(".") and folder.name != "..":
        raise CareBenchError(
            f"{folder}: a collection whose name begins with a dot is not listed; expected another name"
        )
    with replacing(folder) as new:
        _check_replaceable(folder, about, replace)
        for name, content in files.items():
            write_bytes(new / name, content)
        Manifest.of(new, about).save()
    return folder / PARQUET


def _check_replaceable(folder: Path, about: Mapping[str, str | list[str]], replace: bool) -> None:
    """Check that a folder may be replaced by the collection of these facts; see :func:`collect`."""
    check_replaceable(folder, _PARTS, "a collection")
    held = set() if absent(folder) else {path.name for path in folder.iterdir()}
    if not held:
        return
    try:
        before = Manifest.load(folder).about
    except CareBenchError as error:
        if not replace and {CSV, PARQUET} & held:
            raise CareBenchError(f"{folder} holds records of an unknown profile ({error}); {_ELSEWHERE}") from None
        return
    if "date" in before:
        raise CareBenchError(f"{folder} is a pin, which is never replaced; expected another folder")
    if replace:
        return
    if before.get("profile") != about["profile"]:
        raise CareBenchError(
            f"{folder} holds the collection of profile {before.get('profile')}, these records are of profile "
            f"{about['profile']}; {_ELSEWHERE}"
        )
    if (before.get("made_from"), about["made_from"]) == (FROM_PROFILE, FROM_RECORDS):
        raise CareBenchError(
            f"{folder} holds the collection of all runs of profile {before['profile']}, which files of records would "
            f"replace; {_ELSEWHERE}"
        )


def _load(folder: Path, pinned: bool = False) -> Manifest:
    """Read the manifest of a collection or a pin."""
    manifest = Manifest.load(folder)
    profile, source = manifest.about.get("profile"), manifest.about.get("made_from")
    files = {PARQUET} | ({PROFILE} if source == FROM_PROFILE else set())
    held = set(manifest.files) - ({RULES, ILLUSTRATIONS} if source == FROM_PROFILE else set())  # where there are some
    if pinned:
        held.discard(CSV)  # older pins have it
    else:
        files.add(CSV)
    if not isinstance(profile, str) or source not in (FROM_PROFILE, FROM_RECORDS) or held != files:
        raise CareBenchError(f"{folder / Manifest.NAME} is not the manifest of a collection")
    return manifest


def _variants_of(folder: Path, records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Return data sets and variants in the order of `profile.json`, after checking that its runs are the records'.

    It is read as plain JSON: a pin outlives settings, and the packages that brought its methods.

    Raises:
        CareBenchError: not a profile as JSON, the profile of another name, or one of other runs.
    """
    path, expected = folder / PROFILE, "expected the JSON of a profile with its data sets and variants"
    content = read_json(path, expected)
    with decoding(path, expected):
        name = kept_under(content["profile"], content["steps"])
        rows = {dataset: _rows(plan, content["seeds"]) for dataset, plan in content["datasets"].items()}
        runs = {(dataset, variant, seed) for dataset in rows for variant, seed in rows[dataset]}
    if name != records[0].profile:
        raise _mixture(folder, f"{PROFILE} is of profile {name}, its records are of {records[0].profile}")
    if others := runs ^ {(record.dataset, record.variant, record.seed) for record in records}:
        dataset, variant, seed = min(others, key=str)
        raise _mixture(folder, f"run {dataset}/{variant}/seed{seed} is not in both {PROFILE} and the records")
    return {dataset: tuple(dict.fromkeys(variant for variant, _ in rows[dataset])) for dataset in rows}


def _rows(plan: Mapping[str, Any], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """Return the rows of a data set of a profile, each with its seeds, in the order of the profile."""
    rows = [(variant, seed) for variant in plan["methods"] for seed in seeds]
    for name, one in plan.get("imported", {}).items():  # profiles of older pins have none
        rows += [(row, one["seed"]) for row in rows_of(name, one["layers"])]
    return rows


def _mixture(folder: Path, found: str) -> CareBenchError:
    return CareBenchError(f"{folder} mixes two profiles: {found}; expected one, so collect it again")
