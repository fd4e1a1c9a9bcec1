"""`care-bench verify --rerun`: a pinned run is trained and measured again, and every value is compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.pin import pin
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.evaluation.run import evaluate
from care_bench.training.pretrain import pretrain
from tests.commands import run_care_bench
from tests.forks import Ended
from tests.sample_records import write_runs

SETTINGS: dict[str, Any] = {"augmentations": 3, "samples": 40, "classifier_seeds": 2, "augmentation_seed": 4}


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The records of a run of three steps, measured under another augmentation than it was trained with."""
    preset: dict[str, Any] = load_preset("digits")
    preset["training"].update({"steps": 3, "batch_size": 32, "warmup_epochs": 0})
    identity = {"profile": "tiny", "dataset": "digits", "variant": "simclr", "seed": 2}
    config = RunConfig.parse({**identity, "method": {"name": "simclr"}, **preset}, "here")
    folder = pretrain(config, data, tmp_path_factory.mktemp("run"))
    augmentation = {**preset["augmentation"], "crop_scale": [0.3, 1.0], "size": 8}
    settings = EvaluationConfig.parse({**SETTINGS, "augmentation": augmentation}, "here")
    return evaluate(folder.path, data, settings)


@pytest.fixture
def again(data: Path, tmp_path: Path) -> Callable[[Iterable[Record], str], Ended]:
    """Pin records, and run the command for one of them."""

    def run(records: Iterable[Record], name: str) -> Ended:
        results = tmp_path / "results"
        collect(write_runs(tmp_path / "runs", list(records)), results / "collected" / "mine")
        pin(results, "mine-v1", "mine")
        return run_care_bench("verify", results, "--rerun", name, "--data", data)

    return run


def one(records: list[Record], metric: str) -> Record:
    return next(record for record in records if record.metric == metric and record.value is not None)


def changed(records: list[Record], metric: str, **changes: Any) -> list[Record]:
    """Return the records, of which the first with a metric has other entries."""
    target = one(records, metric)
    other = Record(**{**target.model_dump(), **changes})
    return [other if record is target else record for record in records]


def test_the_same_machine_repeats_every_bit(measured: list[Record], again: Any, tmp_path: Path) -> None:
    record = one(measured, "wahba_error")
    ended = again(measured, record.id[:8])
    assert ended.returncode == 0, ended.stderr
    values = sum(record.value is not None for record in measured)
    assert f"{values} of {values} values are equal to the bit, {values} within 1%\n" in ended.stdout
    assert f"pinned {record.value!r}, again {record.value!r}" in ended.stdout
    assert ended.stdout.endswith("passed: the numbers of pinned/mine-v1 hold here, to the bit\n")
    assert (tmp_path / "results" / "rerun" / "tiny" / "digits" / "simclr" / "seed2").is_dir()


def test_records_of_before_a_limit_are_repeated(measured: list[Record], again: Any) -> None:
    texts = {record.evaluation for record in measured}
    (content,) = map(json.loads, texts)
    assert content.pop("retrieval_queries") == 1024
    before = json.dumps(content, sort_keys=True, separators=(",", ":"))
    records = [Record(**{**record.model_dump(), "evaluation": before}) for record in measured]
    ended = again(records, one(records, "retrieval_overlap").id)
    assert ended.returncode == 0, ended.stderr
    values = sum(record.value is not None for record in measured)
    assert f"{values} of {values} values are equal to the bit, {values} within 1%\n" in ended.stdout


def test_a_second_call_trains_again(measured: list[Record], again: Any, tmp_path: Path, data: Path) -> None:
    name = one(measured, "uniformity").id
    assert again(measured, name).returncode == 0
    folder = tmp_path / "results" / "rerun" / "tiny" / "digits" / "simclr" / "seed2"
    before = (folder / "pretrain.json").stat().st_mtime_ns
    ended = run_care_bench("verify", tmp_path / "results", "--rerun", name, "--data", data)
    assert ended.returncode == 0, ended.stderr
    assert "step 3/3" in ended.stderr
    assert (folder / "pretrain.json").stat().st_mtime_ns > before


def test_a_record_without_its_value_is_not_passed_over(
    measured: list[Record], again: Any, tmp_path: Path, data: Path
) -> None:
    none = {"value": None, "n": 0, "spread": None, "values": None, "reason": "diverged"}
    records = changed(measured, "uniformity", **none)
    (lost,) = (record for record in records if record.metric == "uniformity" and record.reason == "diverged")
    ended = again(records, lost.id)
    assert ended.returncode == 2
    assert f"{lost.id} (uniformity by alignment-uniformity-v1): pinned is no value, again " in ended.stderr
    ended = run_care_bench("verify", tmp_path / "results", "--rerun", one(records, "top1").id, "--data", data)
    assert ended.returncode == 2
    assert "1 records of pinned/mine-v1 have a value on one side only; expected none" in ended.stderr


def test_a_record_of_another_version_is_not_passed_over(measured: list[Record], again: Any) -> None:
    records = changed(measured, "held_out_wahba", protocol_version=99)
    other = next(record for record in records if record.protocol_version == 99)
    records = [
        Record(**{**record.model_dump(), "protocol_version": 99}) if record.protocol == other.protocol else record
        for record in records
    ]
    name = next(record.id for record in records if record.metric == "held_out_wahba" and record.value is not None)
    ended = again(records, name)
    assert ended.returncode == 2
    assert (
        "(held_out_wahba by held-out-wahba-v1) is by version 99, now it is 2; expected the pin's code" in ended.stderr
    )


def test_one_other_bit_is_found(measured: list[Record], again: Any) -> None:
    value = one(measured, "uniformity").value
    assert value is not None
    records = changed(measured, "uniformity", value=value * (1 + 1e-12), values=None)
    ended = again(records, one(records, "top1").id)
    assert ended.returncode == 2
    assert "1 of" in ended.stderr
    assert f"uniformity of projection ({one(records, 'uniformity').id})" in ended.stderr


@pytest.mark.parametrize(("share", "factor", "code"), [(1.0, 1.09, 0), (0.45, 1.12, 0), (0.55, 1.12, 2)])
def test_another_machine_may_be_as_far_off_as_is_said(
    measured: list[Record], again: Any, share: float, factor: float, code: int
) -> None:
    """With one pinned seed half of the values have to be within 10 %; those that are 0 cannot be moved by a factor."""
    valued = [record for record in measured if record.value]
    values = sum(record.value is not None for record in measured)
    moved = {record.id for record in valued[: int(share * values)]}
    records = [
        Record(
            **{
                **record.model_dump(),
                "device": "cpu: another",
                **({"value": record.value * factor, "values": None} if record.value and record.id in moved else {}),
            }
        )
        for record in measured
    ]
    ended = again(records, one(records, "top1").id)
    assert ended.returncode == code, ended.stderr
    assert "another kind of machine: device cpu:" in ended.stdout
    assert "instead of cpu: another" in ended.stdout
    assert code == 0 or f"{len(moved)} of {values} values are too far from those of pinned/mine-v1: " in ended.stderr


@pytest.mark.parametrize(("apart", "code"), [(0.9, 0), (0.2, 2)])
def test_with_several_seeds_another_machine_may_be_as_far_off_as_their_spread(
    measured: list[Record], again: Any, apart: float, code: int
) -> None:
    """Two seeds that differ by d have the deviation d / sqrt 2; three of their difference's deviations are 3 d."""
    target = one(measured, "uniformity")
    assert target.value is not None
    moved = target.value * 1.1
    records = changed(measured, "uniformity", value=moved, values=None)
    config = {**json.loads(target.config), "seed": 3}
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    other = {**target.model_dump(), "seed": 3, "config": text, "config_sha256": RunConfig.parse(config, "x").sha256()}
    records.append(Record(**{**other, "value": moved * (1 + 0.05 * apart), "values": None}))
    records = [Record(**{**record.model_dump(), "device": "cpu: another"}) for record in records]
    ended = again(records, one(records, "top1").id)
    assert ended.returncode == code, ended.stderr


def test_the_record_itself_is_not_among_those_that_may_be_further_off(measured: list[Record], again: Any) -> None:
    """A tenth of many values may be too far off elsewhere, but not the one that was asked for."""
    target = one(measured, "uniformity")
    assert target.value is not None
    records = []
    for record in measured:
        config = {**json.loads(record.config), "seed": 3}
        text = json.dumps(config, sort_keys=True, separators=(",", ":"))
        other = {"seed": 3, "config": text, "config_sha256": RunConfig.parse(config, "x").sha256()}
        value = target.value + 1 if record is target else record.value
        elsewhere = {**record.model_dump(), "device": "cpu: another", "value": value, "values": None}
        records += [Record(**elsewhere), Record(**{**elsewhere, **other})]
    ended = again(records, one(records, "uniformity").id)
    assert ended.returncode == 2
    assert f"({target.metric}) is off by 1, more than the " in ended.stderr
    assert "passed" not in ended.stdout


def test_a_record_of_one_seed_that_is_far_off_is_not_confirmed(measured: list[Record], again: Any) -> None:
    target = one(measured, "uniformity")
    assert target.value is not None
    records = changed(measured, "uniformity", value=target.value + 1, values=None)
    records = [Record(**{**record.model_dump(), "device": "cpu: another"}) for record in records]
    ended = again(records, one(records, "uniformity").id)
    assert ended.returncode == 0, ended.stderr
    assert "(uniformity) is off by 1, more than the " in ended.stdout
    assert "this record is not confirmed\npassed: the numbers of pinned/mine-v1 hold here\n" in ended.stdout


def test_what_cannot_be_repeated_ends_in_one_line(
    measured: list[Record], again: Any, data: Path, tmp_path: Path
) -> None:
    elsewhere = {"data_sha256": "0" * 64}
    imported = Record(
        **{**one(measured, "top1").model_dump(), **elsewhere, "variant": "mine", "method": "imported", "base": None}
    )
    other_data = Record(**{**one(measured, "gamma").model_dump(), **elsewhere})
    ended = again([imported, other_data], imported.id)
    assert ended.returncode == 2
    assert "is of an imported encoder" in ended.stderr
    for name, said in (
        (other_data.id, "was measured on data 000000000000"),
        ("r12345", "too short"),
        ("r0000000000", "no pinned record has the id r0000000000"),
    ):
        ended = run_care_bench("verify", tmp_path / "results", "--rerun", name, "--data", data)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert said in ended.stderr
