from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from care_bench.artifacts import Manifest, Record, collecting
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.collection import read_collection
from care_bench.artifacts.frame import frame, read_parquet
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_json
from tests.sample_records import make_record, write_runs

Make = Callable[..., Record]


def _files(folder: Path, *groups: list[Record]) -> list[Path]:
    return [path for index, group in enumerate(groups) for path in write_runs(folder / str(index), group)]


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


def test_a_long_collecting_shows_how_far_it_is(
    tmp_path: Path, record: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _files(tmp_path, *([record(seed=seed)] for seed in range(4)))
    collect(files, tmp_path / "out")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(collecting, "SILENT", 0.0)
    monkeypatch.setattr(collecting, "ROWS", 2)
    collect(files, tmp_path / "out")
    assert capsys.readouterr().err.splitlines() == [
        *(f"collect: files read {done}/4" for done in (1, 2, 3, 4)),
        *(f"collect: records written {done}/4" for done in (2, 4)),
    ]


def test_the_limit_on_samples_is_a_column(tmp_path: Path, record: Make) -> None:
    kept = [record(samples=64), record(seed=1, samples=64)]
    collect(_files(tmp_path, kept), tmp_path / "out")
    assert list(read_collection(tmp_path / "out").records) == kept
    for found in (pd.read_parquet(tmp_path / "out" / "records.parquet"), pd.read_csv(tmp_path / "out" / "records.csv")):
        assert found["samples"].tolist() == [64, 64]


def test_repeats_are_lists_of_numbers_and_settings_are_json(tmp_path: Path, record: Make) -> None:
    under = '{"augmentations":2}'
    kept = [record(n=2, value=0.5, values=(0.1 + 0.2, 0.7), evaluation=under), record(seed=1, evaluation=under)]
    collect(_files(tmp_path, kept), tmp_path / "out")
    assert list(read_collection(tmp_path / "out").records) == kept
    parquet, text = (
        pd.read_parquet(tmp_path / "out" / "records.parquet"),
        pd.read_csv(tmp_path / "out" / "records.csv"),
    )
    for found in (parquet, text):
        assert found["values"].isna().tolist() == [False, True]
        assert found["evaluation"].tolist() == [under, under]
    assert parquet["values"][0].tolist() == json.loads(text["values"][0]) == [0.1 + 0.2, 0.7]


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
        collect([_empty(tmp_path)], tmp_path / "out")


def _empty(folder: Path) -> Path:
    """A file without records, with its summary."""
    (path,) = _files(folder, [make_record()])
    path.write_bytes(b"")
    summary = json.loads((path.parent / "0.evaluate.json").read_text())
    write_json(path.parent / "0.evaluate.json", {**summary, "records_sha256": sha256_file(path)})
    return path


def test_a_damaged_line_is_named_and_nothing_is_written(tmp_path: Path, record: Make) -> None:
    (path,) = _files(tmp_path, [record(), record(metric="gamma")])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CareBenchError) as caught:
        collect([path], tmp_path / "out")
    assert str(caught.value).startswith(f"{path}:2 is damaged: ")
    assert not (tmp_path / "out").exists()


def test_a_target_that_cannot_be_written(tmp_path: Path, record: Make) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CareBenchError, match="cannot write"):
        collect(_files(tmp_path, [record()]), tmp_path / "file" / "out")
    with pytest.raises(CareBenchError, match="file: it is not a folder that can be replaced"):
        collect(_files(tmp_path, [record()]), tmp_path / "file")
    with pytest.raises(CareBenchError, match=r"\.out: a collection whose name begins with a dot is not listed"):
        collect(_files(tmp_path, [record()]), tmp_path / ".out")
    with pytest.raises(CareBenchError, match="collection 'größe' cannot be a folder; expected ASCII letters, digits"):
        collect(_files(tmp_path, [record()]), tmp_path / "größe")


def _edit(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    edited = io.BytesIO()
    change(pd.read_parquet(folder / "records.parquet")).to_parquet(edited, index=False)
    (folder / "records.parquet").write_bytes(edited.getvalue())
    Manifest.of(folder, Manifest.load(folder).about).save()


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


@pytest.mark.parametrize("damage", ["cut", "page", "edited CSV", "new file", "no CSV", "no manifest"])
def test_a_collection_that_is_not_as_it_was_made_is_named(tmp_path: Path, record: Make, damage: str) -> None:
    folder = collect(_files(tmp_path, [record()]), tmp_path / "out").parent
    path = folder / "records.parquet"
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:100])
        case "page":
            path.write_bytes(path.read_bytes().replace(b"simclr", b"sim\xff\xff\xff"))
        case "edited CSV":
            path = folder / "records.csv"
            path.write_text(path.read_text().replace("90.0", "99.0"))
        case "new file":
            path = folder / "profile.json"
            path.write_text("{}")
        case "no CSV":
            path = folder / "records.csv"
            path.unlink()
        case "no manifest":
            path = folder / "MANIFEST.json"
            path.unlink()
    kind = {"new file": "added", "no CSV": "missing", "no manifest": "missing"}.get(damage, "changed")
    with pytest.raises(CareBenchError, match=f"^{kind} {path}[:;] .*collect"):
        read_collection(folder)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:100], lambda content: content.replace(b"simclr", b"s\xff\xff\xff\xff\xff")]
)
def test_a_damaged_parquet_file_is_one_line(tmp_path: Path, record: Make, damage: Callable[[bytes], bytes]) -> None:
    path = collect(_files(tmp_path, [record()]), tmp_path / "out")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CareBenchError) as caught:
        read_parquet(path)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert "\n" not in str(caught.value)


def test_a_reader_without_memory_says_so(tmp_path: Path, record: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise pa.ArrowMemoryError("realloc of size 1024 failed")

    path = collect(_files(tmp_path, [record()]), tmp_path / "out")
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", fail)
    with pytest.raises(
        CareBenchError, match=rf"^cannot read {path}: not enough memory; expected the records of a coll"
    ):
        read_collection(path.parent)


def test_a_missing_collection_is_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="care-bench collect"):
        read_collection(tmp_path)
