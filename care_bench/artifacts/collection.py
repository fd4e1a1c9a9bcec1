"""Collections: the records of one profile as one tidy frame, in a folder that is written whole, under a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from care_bench.artifacts.consistency import check
from care_bench.artifacts.drawn import NAME as FIGURES
from care_bench.artifacts.drawn import Drawn, read_drawn
from care_bench.artifacts.frame import CSV, PARQUET, read_parquet
from care_bench.artifacts.groups import Place, grouped
from care_bench.artifacts.illustrations import NAME as ILLUSTRATIONS
from care_bench.artifacts.illustrations import Illustrations, read_illustrations
from care_bench.artifacts.manifest import Manifest
from care_bench.artifacts.record import Record
from care_bench.artifacts.resamples import NAME as RESAMPLES
from care_bench.artifacts.resamples import Resamples, read_resamples
from care_bench.config.imported_run import rows_of
from care_bench.config.profile import kept_under
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file
from care_bench.untrusted import absent, decoding, read_bytes, read_json

PROFILE = "profile.json"
"""The profile of a collection, as JSON."""
RULES = "claims.yaml"
"""The rules for claims as they were before the first training, or with a first line that says after how many runs."""
COLLECTED, PINNED = "collected", "pinned"
FROM_PROFILE, FROM_RECORDS = "profile", "records"
"""What a collection can be made from: all runs of a profile, or files of records that were named."""
HOW_TO_COLLECT = "make one with `care-bench collect RECORDS... --out results/collected/NAME`"


@dataclass(frozen=True)
class Collection:
    """The records of one profile, fresh (results/collected) or pinned (results/pinned), sorted by identity.

    Attributes:
        name: name of its folder.
        records: at least one.
        pinned_on: date of the pin; None for a fresh collection.
        variants: data set -> its variants, both in the order of the profile; empty where the folder has no profile.
        rules: the file of rules for claims as the profile keeps it, see :mod:`care_bench.runs.kept_rules`; None where
            none was kept.
        illustrations: what pictures of encoders are drawn from, by data set; empty where none were made.
        resamples: what the rules for claims compare, on halves of the test samples, by run; empty where none were made.
        figures: as they were drawn when it was pinned, by name; empty for a fresh collection.
    """

    name: str
    records: tuple[Record, ...]
    pinned_on: str | None = None
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: bytes | None = None
    illustrations: tuple[Illustrations, ...] = ()
    resamples: tuple[Resamples, ...] = ()
    figures: Mapping[str, Drawn] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`collected/NAME` or `pinned/NAME`: its folder below the results folder."""
        return f"{COLLECTED if self.pinned_on is None else PINNED}/{self.name}"

    @property
    def profile(self) -> str:
        """The profile all records belong to."""
        return self.records[0].profile

    @cached_property
    def groups(self) -> dict[Place, list[Record]]:
        """The records by what they measure, those of all seeds together."""
        return grouped(self.records)


def read_collection(folder: Path, pinned: bool = False, rehash: bool = True) -> Collection:
    """Read a collection after checking that it is as it was made.

    Args:
        folder: a collection or a pin; its name is the collection's.
        pinned: whether it is a pin, whose manifest has a date.
        rehash: hash every record again, beside the files that the manifest names. A report takes the ids as the file
            has them: its hash reveals every byte that changed, but not who wrote file and manifest anew.

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
    if pinned and (name := manifest.about.get("name", folder.name)) != folder.name:  # the first pins have no name
        raise CareBenchError(f"{folder} is the pin {name}; expected the name that it was made with")
    try:
        manifest.verify()
    except CareBenchError as error:
        raise error if pinned else CareBenchError(f"{error}; collect it again") from None
    records = read_parquet(folder / PARQUET, rehash)
    check(records, str(folder))
    if manifest.about["profile"] != records[0].profile:
        raise _mixture(
            folder, f"its manifest names profile {manifest.about['profile']}, its records {records[0].profile}"
        )
    variants = _variants_of(folder, records) if PROFILE in manifest.files else {}
    rules = read_bytes(folder / RULES, "expected rules for claims") if RULES in manifest.files else None
    shown = read_illustrations(folder / ILLUSTRATIONS, records) if ILLUSTRATIONS in manifest.files else ()
    halves = read_resamples(folder / RESAMPLES, records) if RESAMPLES in manifest.files else ()
    drawn = read_drawn(folder / FIGURES) if FIGURES in manifest.files else {}
    return Collection(folder.name, tuple(records), str(date) if pinned else None, variants, rules, shown, halves, drawn)


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


def _load(folder: Path, pinned: bool = False) -> Manifest:
    """Read the manifest of a collection or a pin."""
    manifest = Manifest.load(folder)
    profile, source = manifest.about.get("profile"), manifest.about.get("made_from")
    files = {PARQUET} | ({PROFILE} if source == FROM_PROFILE else set())
    optional = {RULES, ILLUSTRATIONS, RESAMPLES} if source == FROM_PROFILE else set()
    held = set(manifest.files) - optional
    if pinned:
        held -= {CSV, FIGURES}  # older pins have the one and not the other
    else:
        files.add(CSV)
    if not isinstance(profile, str) or source not in (FROM_PROFILE, FROM_RECORDS) or held != files:
        hint = "; it is a pin, which is read with pinned=True" if "date" in manifest.about and not pinned else ""
        raise CareBenchError(f"{folder / Manifest.NAME} is not the manifest of a collection{hint}")
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
