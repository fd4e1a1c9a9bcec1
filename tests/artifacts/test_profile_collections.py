"""Collections of all runs of a profile: made whole and in its order, of the records of these runs alone."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import write_records
from care_bench.artifacts.collecting import collect, collect_profile
from care_bench.artifacts.collection import made_from, read_collection
from care_bench.artifacts.pin import pin, read_pin
from care_bench.config import Profile, parse_profile
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_json
from tests.artifacts.profile_runs import Make, measured, record_files, write_evaluated
from tests.evidence.made import claim, rules


def test_the_runs_of_a_profile_are_collected_in_its_order(tmp_path: Path, profile: Profile, runs: Path) -> None:
    write_records(runs / "digits" / "care" / "seed0" / "records.jsonl", [])  # of no run of the profile
    folder = tmp_path / "collected" / "small"
    assert collect_profile(profile, runs, folder) == folder / "records.parquet"
    found = read_collection(folder)
    assert len(found.records) == 12
    assert found.variants == {"proteins": ("simclr",), "digits": ("simclr", "invariance")}
    assert list(found.variants) == ["proteins", "digits"]
    assert parse_profile(json.loads((folder / "profile.json").read_text()), "there") == profile
    same = collect([runs / run.id / "records.jsonl" for run in profile.runs()], tmp_path / "again")
    assert same.read_bytes() == (folder / "records.parquet").read_bytes()


def test_runs_without_records_are_named(tmp_path: Path, profile: Profile, runs: Path) -> None:
    (runs / "digits/simclr/seed1/records.jsonl").unlink()
    with pytest.raises(CareBenchError) as caught:
        collect_profile(profile, runs, tmp_path / "out")
    assert str(caught.value) == (
        f"records of 1 of 6 runs of profile small are missing: {runs}/digits/simclr/seed1/records.jsonl; "
        "expected every run to be evaluated"
    )
    for run in profile.runs()[:4]:
        (runs / run.id / "records.jsonl").unlink(missing_ok=True)
    with pytest.raises(CareBenchError, match=r"records of 4 of 6 runs .*proteins/simclr/seed0/.* and 1 more; expected"):
        collect_profile(profile, runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_collection_is_swapped_in_whole(
    tmp_path: Path, profile: Profile, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = collect_profile(profile, runs, tmp_path / "out").parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for run in profile.runs():
        write_evaluated(runs / run.id, [measured(run, value=1.0)])
    write_bytes, open_path = Path.write_bytes, Path.open
    for failing in ("records.csv", "records.parquet", "profile.json", "MANIFEST.json"):

        def write(path: Path, content: bytes, failing: str = failing) -> int:
            if path.name == failing:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return write_bytes(path, content)

        def opened(path: Path, mode: str = "r", failing: str = failing, **options: Any) -> Any:
            return Full() if (path.name, mode) == (failing, "wb") else open_path(path, mode, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", write)
            patch.setattr(Path, "open", opened)
            patch.setattr("care_bench.artifacts.manifest.write_text", lambda path, text: write(path, text.encode()))
            with pytest.raises(CareBenchError, match="No space left on device"):
                collect_profile(profile, runs, folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]
    collect_profile(profile, runs, folder)
    assert {record.value for record in read_collection(folder).records} == {1.0}


class Full(io.BytesIO):
    """A file on a disk that is full."""

    def write(self, content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def edit_json(path: Path, **changes: Any) -> None:
    write_json(path, {**json.loads(path.read_text()), **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda run: replace(run / "records.jsonl", ":90.0,", ":99.9,"),
            ":1: the record was changed after it was written",
        ),
        (lambda run: replace(run / "records.jsonl", "\n", "", 1), r":1 is damaged: Extra data"),
        (lambda run: drop_line(run / "records.jsonl"), " was changed after it was measured: lines were removed"),
        (lambda run: (run / "evaluate.json").unlink(), "cannot read .*evaluate.json: No such file"),
        (lambda run: (run / "evaluate.json").write_text("[" * 100_000), "evaluate.json: damaged summary: "),
        (lambda run: edit_json(run / "evaluate.json", snapshots=None), "damaged summary: snapshots: Input should be"),
        (
            lambda run: edit_json(run / "evaluate.json", data_sha256="0" * 64),
            ":1: data_sha256 is .* says 000000000000",
        ),
        (lambda run: edit_json(run / "evaluate.json", weights_sha256="0" * 64), ":1: weights_sha256 is .* says 0000"),
        (
            lambda run: edit_json(run / "evaluate.json", snapshots={"5": "0" * 64}),
            ":2: weights_sha256 is .* says 00000",
        ),
        (lambda run: edit_json(run / "evaluate.json", snapshots={}), ":2: weights_sha256 is .* says none"),
        (lambda run: (run / "pretrain.json").unlink(), "cannot read .*pretrain.json: No such file"),
        (lambda run: edit_json(run / "pretrain.json", snapshots=[]), "damaged summary: snapshots: Input should be"),
        (
            lambda run: edit_json(run / "pretrain.json", weights_sha256="0" * 64),
            "pretrain.json differ in weights_sha256",
        ),
        (
            lambda run: edit_json(run / "pretrain.json", config_sha256="0" * 64),
            "pretrain.json differ in config_sha256",
        ),
    ],
)
def test_records_that_are_not_those_of_the_run_are_refused(
    change: Callable[[Path], object], message: str, tmp_path: Path, profile: Profile, runs: Path
) -> None:
    folder = runs / "digits/simclr/seed1"
    change(folder)
    with pytest.raises(CareBenchError, match=message):
        collect_profile(profile, runs, tmp_path / "out")
    if (folder / "pretrain.json").exists():  # records can also be moved elsewhere, with their summary
        with pytest.raises(CareBenchError, match=message):
            collect([folder / "records.jsonl"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def replace(path: Path, *change: Any) -> None:
    text = path.read_text()
    assert text.replace(*change) != text
    path.write_text(text.replace(*change))


def drop_line(path: Path) -> None:
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def test_a_file_of_records_needs_its_summary(tmp_path: Path, record: Make) -> None:
    (path,) = record_files(tmp_path, [record()])
    (path.parent / "0.evaluate.json").unlink()
    with pytest.raises(
        CareBenchError, match=r"0\.evaluate\.json: No such file .*; expected what care-bench evaluate wr"
    ):
        collect([path], tmp_path / "out")


def test_records_of_another_run_are_refused(tmp_path: Path, profile: Profile, runs: Path) -> None:
    first, second = (run for run in profile.runs() if run.id.startswith("digits/simclr"))
    write_evaluated(
        runs / second.id, [measured(second), measured(second, metric="gamma", variant=first.variant, seed=first.seed)]
    )
    with pytest.raises(CareBenchError, match=r":2: a record of small/digits/simclr/0; expected small/digits/simclr/1"):
        collect_profile(profile, runs, tmp_path / "out")


def test_records_of_another_configuration_are_refused(tmp_path: Path, profile: Profile, runs: Path) -> None:
    shorter = parse_profile({**profile.model_dump(mode="json"), "steps": 2}, "here")
    with pytest.raises(CareBenchError, match=r"has records of config \w{12}, run .* of profile small-steps2"):
        collect_profile(shorter, runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_records_of_another_evaluation_are_refused(tmp_path: Path, profile: Profile, runs: Path) -> None:
    content = profile.model_dump(mode="json")
    more = parse_profile({**content, "evaluation": {**content["evaluation"], "augmentations": 7}}, "here")
    with pytest.raises(CareBenchError) as caught:
        collect_profile(more, runs, tmp_path / "out")
    assert str(caught.value) == (
        f"{runs}/proteins/simclr/seed0/records.jsonl was measured with evaluation.augmentations = 20, profile small "
        "has 7; evaluate the run again with the settings of the profile"
    )
    assert not (tmp_path / "out").exists()


def test_the_rules_for_claims_are_kept_with_the_records_and_pinned(
    tmp_path: Path, profile: Profile, runs: Path
) -> None:
    path, content = tmp_path / "claims.yaml", json.dumps(rules(claim(), profile="small")).encode()
    path.write_bytes(content)
    folder = tmp_path / "results" / "collected" / "small"
    collect_profile(profile, runs, folder, rules=path)
    path.write_text("changed since")
    assert read_collection(folder).rules == (folder / "claims.yaml").read_bytes() == content
    assert made_from(folder) == sha256_file(folder / "MANIFEST.json")
    kept = pin(tmp_path / "results", "small-v1", "small")
    assert read_pin(kept).rules == content
    (kept / "claims.yaml").write_bytes(content + b" ")
    with pytest.raises(CareBenchError, match=r"claims\.yaml"):
        read_pin(kept)
    collect_profile(profile, runs, folder)
    assert read_collection(folder).rules is None


def test_rules_of_another_profile_are_not_kept(tmp_path: Path, profile: Profile, runs: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps(rules(claim())))
    with pytest.raises(CareBenchError) as caught:
        collect_profile(profile, runs, tmp_path / "out", rules=path)
    assert str(caught.value) == f"{path} holds rules for profile 'tried'; expected profile 'small'"
    assert not (tmp_path / "out").exists()
