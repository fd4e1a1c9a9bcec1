"""Collecting: the records of runs gathered in the folder of a collection, which is written whole."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from care_bench.artifacts.collection import FROM_PROFILE, FROM_RECORDS, PINNED, PROFILE, RULES
from care_bench.artifacts.evaluated import RECORDS, check_settings, read_evaluated
from care_bench.artifacts.folders import SHOWN, check_apart, check_replaceable, fill
from care_bench.artifacts.frame import CSV, PARQUET, ROWS, write
from care_bench.artifacts.gathering import Gathered
from care_bench.artifacts.illustrations import NAME as ILLUSTRATIONS
from care_bench.artifacts.illustrations import check_illustrations, decode_illustrations, measured_runs
from care_bench.artifacts.json_lines import encode_lines
from care_bench.artifacts.manifest import Manifest
from care_bench.artifacts.record import Record
from care_bench.artifacts.resamples import NAME as RESAMPLES
from care_bench.artifacts.resamples import check_resamples, decode_resamples, measured_for, resampled
from care_bench.config import ImportedConfig, Profile, RunConfig
from care_bench.config.claims import read_claims
from care_bench.errors import CareBenchError
from care_bench.files import replacing
from care_bench.names import check_file_name
from care_bench.progress import Advance, progress
from care_bench.untrusted import absent, read_bytes

SILENT = 5.0
"""Seconds of collecting before which a log gets no line: most collections are small."""
_PARTS = re.compile(r"(MANIFEST|profile)\.json|claims\.yaml|(illustrations|resamples)\.jsonl|records\.(csv|parquet)")
_ELSEWHERE = "expected another folder, or --replace"


def collect(files: Iterable[Path], folder: Path, replace: bool = False) -> Path:
    """Gather files of records into ``folder``: `records.parquet` and `records.csv`, one row per record, and a manifest.

    The same records give the same bytes in any order and number of files; a record found twice counts once. Memory
    holds the records of one file, and of :data:`care_bench.artifacts.frame.ROWS` rows while they are written.

    Args:
        files: files of records (JSON lines), each with the summary of its evaluation beside it.
        folder: the collection to make or replace, `results/collected/<name>`.
        replace: replace a collection of another profile, or one of all runs of a profile.

    Returns:
        Path of the parquet file.

    Raises:
        CareBenchError: no records, records that are not those that were measured (see :func:`read_evaluated`) or that
            contradict each other (see :meth:`Gathered.check`), a folder that cannot be written, a pin, or a folder that
            holds anything else than a collection. ``folder`` is then unchanged.
    """
    given = list(files)
    found = Gathered()
    with _progress("collect: files read", len(given)) as advance:
        for done, path in enumerate(given, 1):
            found.add(path, read_evaluated(path))
            advance(done, "")
    return _write(found, folder, {}, replace)


def collect_profile(
    profile: Profile,
    runs: Path,
    folder: Path,
    replace: bool = False,
    rules: Path | None = None,
    illustrations: Sequence[Path] = (),
    resamples: Sequence[Path] = (),
) -> Path:
    """Gather the records of every run of a profile as :func:`collect` does, with the profile as `profile.json`.

    Args:
        profile: the matrix of runs.
        runs: folder of the profile's runs; each has its `records.jsonl` in `runs/<data set>/<variant>/seed<N>`.
        folder: the collection to make or replace.
        replace: replace a collection of another profile.
        rules: the rules for claims that the profile keeps, from before the first training; they become `claims.yaml`.
        illustrations: files of them, which are kept in this order as `illustrations.jsonl`.
        resamples: files of metrics on halves of the test samples, which are kept in this order as `resamples.jsonl`.

    Returns:
        Path of the parquet file.

    Raises:
        CareBenchError: as :func:`collect`; runs lack records, their number and the first of them; the records of a run
            are of another run, configuration or evaluation; the rules are damaged, or those of another profile; or
            illustrations or resamples are damaged, or of other runs than the records.
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
    pictures = [(path, decode_illustrations(path)) for path in illustrations]
    halves = [(path, decode_resamples(path)) for path in resamples]
    beside = {
        PROFILE: profile.model_dump_json().encode() + b"\n",
        **({} if rules is None else {RULES: _rules(rules, profile.name)}),
        **({ILLUSTRATIONS: encode_lines(line for _, lines in pictures for line in lines)} if pictures else {}),
        **({RESAMPLES: encode_lines(line for _, lines in halves for line in lines)} if halves else {}),
    }
    places = resampled(line for _, lines in halves for line in lines)
    settings = {dataset: profile.measured(dataset) for dataset in dict.fromkeys(run.dataset for run in configs)}
    found = Gathered()
    evaluated: dict[tuple[str, str, int], Record] = {}
    measured: dict[Hashable, Record] = {}
    with _progress("collect: runs read", len(files)) as advance:
        for done, (run, path) in enumerate(zip(configs, files, strict=True), 1):
            one = read_evaluated(path, run)
            if isinstance(run, RunConfig):
                check_settings(one.records, path, settings[run.dataset].recorded(run), profile.name)
            found.add(path, one)
            if pictures:
                evaluated |= measured_runs(one.records)
            measured |= measured_for(places, one.records)
            advance(done, "")
    for path, shown in pictures:
        check_illustrations(path, shown, evaluated)
    for path, lines in halves:
        check_resamples(path, lines, measured)
    return _write(found, folder, beside, replace)


def _rules(path: Path, profile: str) -> bytes:
    """Return the content of a file of rules for claims, after checking that they are those of a profile."""
    if (of := read_claims(path)[0].profile) != profile:
        raise CareBenchError(f"{path} holds rules for profile {of!r}; expected profile {profile!r}")
    return read_bytes(path, "expected rules for claims")


def _progress(title: str, total: int) -> AbstractContextManager[Advance]:
    return progress(title, total, silent=SILENT)


def _shown(found: Gathered) -> Iterator[Record]:
    """Yield the records and show how many are written."""
    with _progress("collect: records written", len(found)) as advance:
        for done, record in enumerate(found.records(), 1):
            yield record
            if done % ROWS == 0:
                advance(done, "")


def _write(found: Gathered, folder: Path, beside: Mapping[str, bytes], replace: bool) -> Path:
    """Write a collection of records with some files beside them: those of a profile, or none."""
    found.check(str(folder))
    about: dict[str, str | list[str]] = {
        "profile": found.profile,
        "made_from": FROM_PROFILE if PROFILE in beside else FROM_RECORDS,
        "code_versions": sorted(found.code_versions),
    }
    if folder.name.startswith(".") and folder.name != "..":
        raise CareBenchError(
            f"{folder}: a collection whose name begins with a dot is not listed; expected another name"
        )
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    check_file_name("collection", name)  # files of reports have it
    with replacing(folder) as new:
        _check_replaceable(folder, about, replace)
        check_apart(folder, PINNED)
        write(new, _shown(found))
        fill(new, beside, written=(CSV, PARQUET))
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
