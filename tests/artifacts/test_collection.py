from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from care_bench.artifacts import Record, write_records
from care_bench.artifacts.collection import collect, collect_profile, frame, read_collection
from care_bench.config import Profile, parse_profile
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_bytes, write_json

Make = Callable[..., Record]


def _files(folder: Path, *groups: list[Record]) -> list[Path]:
    paths = [folder / f"{index}.jsonl" for index in range(len(groups))]
    for path, group in zip(paths, groups, strict=True):
        write_records(path, group)
    return paths


def test_a_collection_is_read_back_as_it_was_written(tmp_path: Path, records: list[Record]) -> None:
    folder = tmp_path / "collected" / "small"
    assert collect(_files(tmp_path, records[:7], records[7:]), folder) == folder / "records.parquet"
    collection = read_collection(folder)
    assert (collection.name, collection.key, collection.profile) == ("small", "collected/small", "small")
    assert {record.sha256 for record in collection.records} == {record.sha256 for record in records}


def test_the_frame_is_tidy(tmp_path: Path, record: Make) -> None:
    kept = [record(value=0.1 + 0.2), record(seed=1, value=None, n=0, reason='failed, "badly"')]
    collect(_files(tmp_path, kept), tmp_path / "out")
    for found in (
        pd.read_parquet(tmp_path / "out" / "records.parquet"),
        pd.read_csv(tmp_path / "out" / "records.csv", float_precision="round_trip"),
    ):
        assert list(found.columns) == ["id", *Record.model_fields]
        assert found["id"].tolist() == [line.id for line in kept]
        assert found["value"].tolist()[0] == 0.1 + 0.2
        assert found["value"].isna().tolist() == [False, True]
        assert found["reason"].tolist()[1] == 'failed, "badly"'
        assert found["environment"].tolist()[0] == '{"numpy":"2.3.5","python":"3.11.7"}'
        assert found["seed"].dtype == "int64"
        assert found["higher_is_better"].tolist() == [True, True]


def test_records_of_snapshots_are_collected_with_the_final_ones(tmp_path: Path, record: Make) -> None:
    kept = [record(), record(epoch=9), record(epoch=10, value=1.0)]
    collect(_files(tmp_path, kept[::-1]), tmp_path / "out")
    assert list(read_collection(tmp_path / "out").records) == kept
    for found in (pd.read_parquet(tmp_path / "out" / "records.parquet"), pd.read_csv(tmp_path / "out" / "records.csv")):
        assert found["epoch"].isna().tolist() == [True, False, False]
        assert found["epoch"].tolist()[1:] == [9, 10]
    text = (tmp_path / "out" / "records.csv").read_text()
    assert [line.split(",")[9] for line in text.splitlines()] == ["epoch", "", "9", "10"]


def test_the_limit_on_samples_is_a_column(tmp_path: Path, record: Make) -> None:
    kept = [record(samples=64), record(seed=1, samples=64)]
    collect(_files(tmp_path, kept), tmp_path / "out")
    assert list(read_collection(tmp_path / "out").records) == kept
    for found in (pd.read_parquet(tmp_path / "out" / "records.parquet"), pd.read_csv(tmp_path / "out" / "records.csv")):
        assert found["samples"].tolist() == [64, 64]


def test_repeats_and_settings_are_columns_of_json(tmp_path: Path, record: Make) -> None:
    under = '{"augmentations":2}'
    kept = [record(n=2, value=0.5, values=(0.1 + 0.2, 0.7), evaluation=under), record(seed=1, evaluation=under)]
    collect(_files(tmp_path, kept), tmp_path / "out")
    assert list(read_collection(tmp_path / "out").records) == kept
    for found in (pd.read_parquet(tmp_path / "out" / "records.parquet"), pd.read_csv(tmp_path / "out" / "records.csv")):
        assert found["values"].isna().tolist() == [False, True]
        assert json.loads(found["values"][0]) == [0.1 + 0.2, 0.7]
        assert found["evaluation"].tolist() == [under, under]


def test_order_and_split_do_not_matter(tmp_path: Path, records: list[Record]) -> None:
    collect(_files(tmp_path / "a", records), tmp_path / "one")
    collect(_files(tmp_path / "b", records[20:][::-1], records[:30]), tmp_path / "two")  # ten records twice
    for name in ("records.parquet", "records.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert len(frame(read_collection(tmp_path / "two").records)) == len(records)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"value": 91.0}, "more than one outcome of one measurement in small digits convnet simclr simclr 0 cached-v1"),
        ({"duration_s": 9.0}, "more than one outcome"),
        ({"seed": 1, "epoch": 3, "protocol_version": 2}, "more than one version in protocol cached-v1: 1 and 2"),
        ({"profile": "other"}, "more than one profile in one collection: other and small"),
        ({"seed": 1, "protocol_version": 2}, "more than one version in protocol cached-v1: 1 and 2"),
        ({"seed": 1, "samples": 64}, "more than one number of samples in protocol cached-v1: all and 64"),
        ({"samples": 64}, "more than one outcome of one measurement"),
        ({"seed": 1, "data_sha256": "d" * 64}, "more than one content in data set digits"),
        ({"seed": 1, "evaluation": "{}"}, "more than one evaluation in data set digits: {"),
        ({"seed": 1, "unit": "1"}, "more than one unit in metric top1: % and 1"),
        ({"seed": 1, "higher_is_better": False}, "more than one direction in metric top1: True and False"),
    ],
)
def test_records_that_contradict_each_other_are_refused(
    tmp_path: Path, record: Make, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(CareBenchError) as caught:
        collect(_files(tmp_path, [record()], [record(**change)]), tmp_path / "out")
    assert expected in str(caught.value)
    assert record().id in str(caught.value)
    assert record(**change).id in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_collecting_no_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="found no records"):
        collect([], tmp_path / "out")
    with pytest.raises(CareBenchError, match="found no records"):
        collect(_files(tmp_path, []), tmp_path / "out")


def test_a_damaged_line_is_named_and_nothing_is_written(tmp_path: Path, record: Make) -> None:
    (path,) = _files(tmp_path, [record(), record(seed=1)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CareBenchError) as caught:
        collect([path], tmp_path / "out")
    assert str(caught.value).startswith(f"{path}:2: damaged record")
    assert not (tmp_path / "out").exists()


def test_a_target_that_cannot_be_written(tmp_path: Path, record: Make) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CareBenchError, match="cannot write"):
        collect(_files(tmp_path, [record()]), tmp_path / "file" / "out")


def _edit(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    edited = io.BytesIO()
    change(pd.read_parquet(folder / "records.parquet")).to_parquet(edited, index=False)
    (folder / "records.parquet").write_bytes(edited.getvalue())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda table: table.assign(value=[99.0, 99.5]), "row 1: the record is r.*it was changed by hand"),
        (lambda table: table.drop(columns="device"), "row 1: damaged record: device"),
        (lambda table: table.assign(environment="x"), "row 1: damaged record: environment"),
        (lambda table: table.assign(note="x"), "row 1: damaged record: note"),
        (lambda table: table.iloc[:0], "found no records"),
    ],
)
def test_a_record_edited_in_a_collection_is_refused(
    tmp_path: Path, record: Make, change: Callable[[pd.DataFrame], pd.DataFrame], expected: str
) -> None:
    collect(_files(tmp_path, [record(), record(seed=1)]), tmp_path / "out")
    _edit(tmp_path / "out", change)
    with pytest.raises(CareBenchError, match=expected):
        read_collection(tmp_path / "out")


def test_a_truncated_collection_is_named(tmp_path: Path, record: Make) -> None:
    collect(_files(tmp_path, [record()]), tmp_path / "out")
    path = tmp_path / "out" / "records.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CareBenchError) as caught:
        read_collection(tmp_path / "out")
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert "\n" not in str(caught.value)


def test_a_missing_collection_is_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="care-bench collect"):
        read_collection(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"profile": "small"}', '{"datasets": ["digits"]}', '{"datasets": {"digits": {"methods": [1]}}}'],
)
def test_a_file_that_is_no_profile_is_named(tmp_path: Path, record: Make, content: str) -> None:
    collect(_files(tmp_path, [record()]), tmp_path / "out")
    assert read_collection(tmp_path / "out").variants == {}
    path = tmp_path / "out" / "profile.json"
    path.write_text(content)
    with pytest.raises(CareBenchError) as caught:
        read_collection(tmp_path / "out")
    assert str(caught.value) == f"{path} is damaged: expected the JSON of a profile with its data sets and variants"


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


@pytest.fixture
def runs(tmp_path: Path, profile: Profile, record: Make) -> Path:
    """Records of every run of the profile."""
    for run in profile.runs():
        place = {"dataset": run.dataset, "variant": run.variant, "seed": run.seed}
        path = tmp_path / "runs" / run.id / "records.jsonl"
        write_records(path, [record(**place)])
        summary = {"config_sha256": run.sha256(), "records_sha256": sha256_file(path)}
        write_json(path.with_name("evaluate.json"), summary)
    return tmp_path / "runs"


def test_the_runs_of_a_profile_are_collected_in_its_order(tmp_path: Path, profile: Profile, runs: Path) -> None:
    write_records(runs / "digits" / "care" / "seed0" / "records.jsonl", [])  # of no run of the profile
    folder = tmp_path / "collected" / "small"
    assert collect_profile(profile, runs, folder) == folder / "records.parquet"
    found = read_collection(folder)
    assert len(found.records) == 6
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


def test_the_parquet_file_is_replaced_last(
    tmp_path: Path, profile: Profile, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def write(path: Path, content: bytes) -> None:
        order.append(path.name)
        write_bytes(path, content)

    monkeypatch.setattr("care_bench.artifacts.collection.write_bytes", write)
    collect_profile(profile, runs, tmp_path / "out")
    assert order == ["profile.json", "records.csv", "records.parquet"]


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace('"seed":1', '"seed":7'), lambda text: text + text.splitlines(keepends=True)[0]],
    ids=["edited", "repeated"],
)
def test_records_that_were_edited_are_refused(
    change: Callable[[str], str], tmp_path: Path, profile: Profile, runs: Path
) -> None:
    path = runs / "digits/simclr/seed1/records.jsonl"
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    with pytest.raises(CareBenchError, match=r"seed1/records\.jsonl was changed after it was measured"):
        collect_profile(profile, runs, tmp_path / "out")


def test_records_of_another_configuration_are_refused(tmp_path: Path, profile: Profile, runs: Path) -> None:
    shorter = parse_profile({**profile.model_dump(mode="json"), "steps": 2}, "here")
    with pytest.raises(CareBenchError, match=r"has records of config \w{12}, run .* of profile small-steps2"):
        collect_profile(shorter, runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_summary_that_is_damaged_is_named(content: str, tmp_path: Path, profile: Profile, runs: Path) -> None:
    (runs / "digits/simclr/seed0/evaluate.json").write_text(content)
    with pytest.raises(CareBenchError, match=r"cannot read .*seed0/evaluate\.json .*; expected what"):
        collect_profile(profile, runs, tmp_path / "out")
