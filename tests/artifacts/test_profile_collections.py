from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Manifest, Record, write_records
from care_bench.artifacts.collecting import collect, collect_profile
from care_bench.artifacts.collection import made_from, read_collection
from care_bench.artifacts.pin import pin, read_pin
from care_bench.config import Profile, RunConfig, parse_profile
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_file, write_bytes, write_json
from tests.evidence.made import claim, rules
from tests.sample_records import ROOT, make_record, write_run, write_runs

Make = Callable[..., Record]


def _files(folder: Path, *groups: list[Record]) -> list[Path]:
    return [path for index, group in enumerate(groups) for path in write_runs(folder / str(index), group)]


PROFILE: dict[str, Any] = {
    "profile": "small",
    "seeds": [0, 1],
    "datasets": {
        "proteins": {"preset": "proteins", "methods": {"simclr": {"name": "simclr"}}},
        "digits": {
            "preset": "digits",
            "methods": {"simclr": {"name": "simclr"}, "invariance": {"name": "invariance"}},
        },
    },
}


@pytest.fixture
def profile() -> Profile:
    return parse_profile(PROFILE, "here")


def _measured(run: RunConfig, **changes: Any) -> Record:
    """A record of a run of a profile."""
    config = canonical_json(run.model_dump(mode="json")).decode()
    place = {"profile": run.profile, "dataset": run.dataset, "variant": run.variant, "seed": run.seed}
    return make_record(**{**place, "config": config, "config_sha256": run.sha256(), **changes})


def _write(folder: Path, records: list[Record]) -> Path:
    """Write the files of an evaluated run."""
    path = write_run(folder / "records.jsonl", records)
    summary = json.loads((folder / "evaluate.json").read_text())
    del summary["records_sha256"]
    write_json(folder / "pretrain.json", {**summary, "steps": 3})
    return path


@pytest.fixture
def runs(tmp_path: Path, profile: Profile) -> Path:
    """Records of every run of the profile."""
    for run in profile.runs():
        _write(tmp_path / "runs" / run.id, [_measured(run), _measured(run, metric="gamma", epoch=5)])
    return tmp_path / "runs"


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
        _write(runs / run.id, [_measured(run, value=1.0)])
    for failing in ("records.csv", "records.parquet", "profile.json", "MANIFEST.json"):

        def write(path: Path, content: bytes, failing: str = failing) -> None:
            if path.name == failing:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            write_bytes(path, content)

        with monkeypatch.context() as patch:
            patch.setattr("care_bench.artifacts.collecting.write_bytes", write)
            patch.setattr("care_bench.artifacts.manifest.write_text", lambda path, text: write(path, text.encode()))
            with pytest.raises(CareBenchError, match="No space left on device"):
                collect_profile(profile, runs, folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]
    collect_profile(profile, runs, folder)
    assert {record.value for record in read_collection(folder).records} == {1.0}


def _edit_json(path: Path, **changes: Any) -> None:
    write_json(path, {**json.loads(path.read_text()), **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda run: _replace(run / "records.jsonl", ":90.0,", ":99.9,"),
            ":1: the record was changed after it was written",
        ),
        (lambda run: _replace(run / "records.jsonl", "\n", "", 1), r":1 is damaged: Extra data"),
        (lambda run: _drop_line(run / "records.jsonl"), " was changed after it was measured: lines were removed"),
        (lambda run: (run / "evaluate.json").unlink(), "cannot read .*evaluate.json: No such file"),
        (lambda run: (run / "evaluate.json").write_text("[" * 100_000), "evaluate.json: damaged summary: "),
        (lambda run: _edit_json(run / "evaluate.json", snapshots=None), "damaged summary: snapshots: Input should be"),
        (
            lambda run: _edit_json(run / "evaluate.json", data_sha256="0" * 64),
            ":1: data_sha256 is .* says 000000000000",
        ),
        (lambda run: _edit_json(run / "evaluate.json", weights_sha256="0" * 64), ":1: weights_sha256 is .* says 0000"),
        (
            lambda run: _edit_json(run / "evaluate.json", snapshots={"5": "0" * 64}),
            ":2: weights_sha256 is .* says 00000",
        ),
        (lambda run: _edit_json(run / "evaluate.json", snapshots={}), ":2: weights_sha256 is .* says none"),
        (lambda run: (run / "pretrain.json").unlink(), "cannot read .*pretrain.json: No such file"),
        (lambda run: _edit_json(run / "pretrain.json", snapshots=[]), "damaged summary: snapshots: Input should be"),
        (
            lambda run: _edit_json(run / "pretrain.json", weights_sha256="0" * 64),
            "pretrain.json differ in weights_sha256",
        ),
        (
            lambda run: _edit_json(run / "pretrain.json", config_sha256="0" * 64),
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


def _replace(path: Path, *change: Any) -> None:
    text = path.read_text()
    assert text.replace(*change) != text
    path.write_text(text.replace(*change))


def _drop_line(path: Path) -> None:
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def test_a_file_of_records_needs_its_summary(tmp_path: Path, record: Make) -> None:
    (path,) = _files(tmp_path, [record()])
    (path.parent / "0.evaluate.json").unlink()
    with pytest.raises(
        CareBenchError, match=r"0\.evaluate\.json: No such file .*; expected what care-bench evaluate wr"
    ):
        collect([path], tmp_path / "out")


def test_records_of_another_run_are_refused(tmp_path: Path, profile: Profile, runs: Path) -> None:
    first, second = (run for run in profile.runs() if run.id.startswith("digits/simclr"))
    _write(
        runs / second.id, [_measured(second), _measured(second, metric="gamma", variant=first.variant, seed=first.seed)]
    )
    with pytest.raises(CareBenchError, match=r":2: a record of small/digits/simclr/0; expected small/digits/simclr/1"):
        collect_profile(profile, runs, tmp_path / "out")


def test_records_of_another_configuration_are_refused(tmp_path: Path, profile: Profile, runs: Path) -> None:
    shorter = parse_profile({**profile.model_dump(mode="json"), "steps": 2}, "here")
    with pytest.raises(CareBenchError, match=r"has records of config \w{12}, run .* of profile small-steps2"):
        collect_profile(shorter, runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def whole(tmp_path: Path, profile: Profile, runs: Path) -> Path:
    """The collection of a profile."""
    return collect_profile(profile, runs, tmp_path / "collected" / "small").parent


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_collection_belongs_to_one_profile(tmp_path: Path, profile: Profile, runs: Path, whole: Path) -> None:
    before = _content(whole)
    other = _files(tmp_path / "other", [make_record(profile="other")])
    with pytest.raises(
        CareBenchError,
        match=r"small holds the collection of profile small, these records are of profile oth",
    ):
        collect(other, whole)
    some = [runs / run.id / "records.jsonl" for run in profile.runs()[:2]]
    with pytest.raises(
        CareBenchError, match="holds the collection of all runs of profile small, which files of records would"
    ):
        collect(some, whole)
    assert _content(whole) == before
    collect(other, whole, replace=True)
    assert set(_content(whole)) == {"MANIFEST.json", "records.csv", "records.parquet"}
    assert read_collection(whole).profile == "other"
    with pytest.raises(
        CareBenchError, match="holds the collection of profile other, these records are of profile small"
    ):
        collect_profile(profile, runs, whole)
    collect_profile(profile, runs, whole, replace=True)
    assert _content(whole) == before


def test_files_of_records_can_be_replaced_by_others_of_the_profile(
    tmp_path: Path, profile: Profile, runs: Path
) -> None:
    files = [runs / run.id / "records.jsonl" for run in profile.runs()]
    for some in (files[:2], files[3:]):
        collect(some, tmp_path / "out")
    assert {record.dataset for record in read_collection(tmp_path / "out").records} == {"digits"}
    collect_profile(profile, runs, tmp_path / "out")
    assert len(read_collection(tmp_path / "out").records) == 12


@pytest.mark.parametrize("manifest", [None, "{"])
def test_records_of_an_unknown_profile_are_replaced_on_demand_only(
    tmp_path: Path, profile: Profile, runs: Path, whole: Path, manifest: str | None
) -> None:
    if manifest is None:
        (whole / "MANIFEST.json").unlink()
    else:
        (whole / "MANIFEST.json").write_text(manifest)
    with pytest.raises(
        CareBenchError, match=r"small holds records of an unknown profile \(.*MANIFEST\.json.*or --replace"
    ):
        collect_profile(profile, runs, whole)
    for name in ("records.csv", "records.parquet"):
        (whole / name).unlink()
    collect_profile(profile, runs, whole)
    assert len(read_collection(whole).records) == 12


@pytest.mark.parametrize("name", ["meta.json", "deep/records.csv", "records.csv/x", "records.txt", ".hidden"])
def test_a_folder_that_holds_anything_else_is_never_replaced(tmp_path: Path, record: Make, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(
        CareBenchError, match=r"out holds .*, which cannot be part of a collection; expected a collection, or"
    ):
        collect(_files(tmp_path, [record()]), tmp_path / "out", replace=True)
    assert path.read_text() == "mine"


def test_the_folder_of_collections_is_no_collection(tmp_path: Path, record: Make, whole: Path) -> None:
    with pytest.raises(CareBenchError, match=r"collected holds small/, which cannot be part of a collection"):
        collect(_files(tmp_path, [record()]), whole.parent, replace=True)


def test_the_present_folder_and_a_link_can_be_filled(
    tmp_path: Path, record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _files(tmp_path, [record()])
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    collect(files, tmp_path / "link")
    monkeypatch.chdir(tmp_path / "here")
    collect(files, Path())
    assert (tmp_path / "link").is_symlink()
    assert len(read_collection(tmp_path / "here").records) == 1
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(CareBenchError, match="circle: it is a link that leads in a circle"):
        collect(files, tmp_path / "circle")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "profile.json is damaged: "),
        ("[]", "profile.json is damaged: "),
        ("[" * 100_000, "profile.json is damaged: it is nested too deeply"),
        ('{"profile": "small"}', "profile.json is damaged: it lacks 'steps'"),
        ('{"profile": "small", "steps": null, "seeds": [0], "datasets": ["digits"]}', "profile.json is damaged: "),
        (
            '{"profile": "small", "steps": null, "seeds": [[]], "datasets": {"digits": {"methods": {"a": 1}}}}',
            "is damaged",
        ),
        (
            '{"profile": "mine", "steps": null, "seeds": [0], "datasets": {}}',
            "mixes two profiles: profile.json is of profile mine",
        ),
        ('{"profile": "small", "steps": 2, "seeds": [0], "datasets": {}}', "profile.json is of profile small-steps2"),
        (
            '{"profile": "small", "steps": null, "seeds": [0], "datasets": {}}',
            "run digits/invariance/seed0 is not in both",
        ),
    ],
)
def test_a_profile_that_is_not_of_the_records_is_named(whole: Path, content: str, message: str) -> None:
    (whole / "profile.json").write_text(content)
    Manifest.of(whole, Manifest.load(whole).about).save()
    with pytest.raises(CareBenchError, match=message):
        read_collection(whole)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"profile": "mine"}, "mixes two profiles: its manifest names profile mine, its records small"),
        ({"profile": ["small"]}, "MANIFEST.json is not the manifest of a collection"),
        ({"made_from": "records"}, "MANIFEST.json is not the manifest of a collection"),
        ({"made_from": "memory"}, "MANIFEST.json is not the manifest of a collection"),
    ],
)
def test_a_manifest_that_is_not_of_the_records_is_named(whole: Path, about: dict[str, Any], message: str) -> None:
    Manifest.of(whole, {**Manifest.load(whole).about, **about}).save()
    with pytest.raises(CareBenchError, match=message):
        read_collection(whole)


def test_the_workflow_knows_a_collection_that_was_made_from_a_profile(
    tmp_path: Path, profile: Profile, runs: Path, whole: Path
) -> None:
    digest = sha256_file(whole / "MANIFEST.json")
    assert made_from(whole) == digest
    assert made_from(tmp_path / "absent") is None
    loose = collect(_files(tmp_path, [make_record()]), tmp_path / "loose").parent
    assert made_from(loose) is None
    for name, content in _content(whole).items():
        (whole / name).write_bytes(content + b" ")
        assert made_from(whole) is None
        (whole / name).write_bytes(content)
    (whole / "notes.txt").write_text("")
    assert made_from(whole) is None
    (whole / "notes.txt").unlink()
    collect_profile(profile, runs, whole)
    assert made_from(whole) == digest, "the same records give the same manifest"


def test_asking_where_a_collection_comes_from_imports_no_tables(whole: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from care_bench.artifacts.collection import made_from\n"
        "assert made_from(Path(sys.argv[1])); print({'pandas', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(whole)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == "set()\n", done.stderr


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
