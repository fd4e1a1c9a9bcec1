from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from care_bench.artifacts import Record, read_records, write_records
from care_bench.errors import CareBenchError

Make = Callable[..., Record]


def test_the_id_is_the_hash_of_the_canonical_json(content: dict[str, Any], make: Make) -> None:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).hexdigest()
    assert make().sha256 == digest
    assert make().id == "r" + digest[:10]


@pytest.mark.parametrize("change", [{"value": 91.26}, {"seed": 4}, {"fidelity": None}, {"duration_s": 1.6}])
def test_any_change_changes_the_id(make: Make, change: dict[str, Any]) -> None:
    assert make(**change).id != make().id


def test_the_hash_of_the_configuration_is_checked(make: Make) -> None:
    with pytest.raises(ValidationError, match="config whose SHA-256 is not config_sha256"):
        make(config="{ }")


def test_the_identity_does_not_depend_on_the_outcome(make: Make) -> None:
    outcome = {"value": 1.0, "spread": None, "duration_s": 9.0, "weights_sha256": "d" * 64, "device": "another"}
    assert make(**outcome).identity == make().identity
    for change in ({"seed": 0}, {"variant": "x"}, {"base": None}, {"representation": "projection"}, {"metric": "y"}):
        assert make(**change).identity != make().identity


def test_a_snapshot_is_another_measurement(content: dict[str, Any], make: Make) -> None:
    canonical = json.dumps({**content, "epoch": 10}, sort_keys=True, separators=(",", ":")).encode()
    assert make(epoch=10).sha256 == hashlib.sha256(canonical).hexdigest()
    assert make(epoch=10).identity != make().identity
    shuffled = [make(epoch=100), make(epoch=9), make(), make(epoch=10), make(epoch=0)]
    ordered = sorted(shuffled, key=lambda record: record.identity)
    assert [record.epoch for record in ordered] == [None, 0, 9, 10, 100]


def test_every_key_is_written_and_required(tmp_path: Path, content: dict[str, Any], make: Make) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, [make()])
    assert json.loads(path.read_bytes()) == {**content, "sha256": make().sha256}
    for key in ("base", "epoch", "samples", "values", "evaluation", "config"):
        path.write_text(json.dumps({name: value for name, value in content.items() if name != key}))
        with pytest.raises(CareBenchError, match=rf"records\.jsonl:1: damaged record: (missing )?{key}"):
            read_records(path)


@pytest.mark.parametrize("more", [{"samples": 64}, {"values": (90.75, 91.25, 91.75)}, {"evaluation": '{"seed":3}'}])
def test_evaluation_settings_are_part_of_the_hash_but_not_of_the_identity(
    tmp_path: Path, content: dict[str, Any], make: Make, more: dict[str, Any]
) -> None:
    canonical = json.dumps({**content, **more}, sort_keys=True, separators=(",", ":")).encode()
    assert make(**more).sha256 == hashlib.sha256(canonical).hexdigest()
    assert make(**more).identity == make().identity
    write_records(tmp_path / "records.jsonl", [make(), make(**more)])
    assert read_records(tmp_path / "records.jsonl") == [make(), make(**more)]


def test_written_rows_are_read_back_unchanged(tmp_path: Path, make: Make) -> None:
    records = [make(), make(value=0.1 + 0.2), make(value=None, reason="diverged\nat step 3", spread=None, n=0)]
    write_records(tmp_path / "records.jsonl", records)
    assert read_records(tmp_path / "records.jsonl") == records
    assert [record.id for record in read_records(tmp_path / "records.jsonl")] == [record.id for record in records]


def test_an_empty_file_holds_no_records(tmp_path: Path) -> None:
    write_records(tmp_path / "records.jsonl", [])
    assert read_records(tmp_path / "records.jsonl") == []


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": "91.25"},
        {"value": True},
        {"value": None},
        {"reason": "and a value"},
        {"seed": -1},
        {"seed": 1.0},
        {"epoch": -1},
        {"epoch": "10"},
        {"epoch": True},
        {"samples": 0},
        {"samples": 64.0},
        {"values": (91.0,)},
        {"values": (1.0, 2.0), "n": 3},
        {"values": ("91.0", "92.0", "93.0"), "n": 3},
        {"values": (91.0, float("nan"), 92.0), "n": 3},
        {"values": (), "value": None, "reason": "failed", "spread": None, "n": 0},
        {"values": (90.75, 91.25, 91.7501), "n": 3},
        {"values": (90.75, 91.25, 91.75), "value": 99.9},
        {"values": (90.75, 91.25, 91.75), "spread": 0.51},
        {"values": (1e308, 1e308, 1e308), "value": 1e308, "spread": None},
        {"evaluation": ""},
        {"evaluation": "[]"},
        {"evaluation": "{"},
        {"evaluation": '{"a":' * 100_000},
        {"evaluation": None},
        {"config": ""},
        {"n": 0},
        {"n": 1},
        {"spread": -0.1},
        {"unit": "percent"},
        {"fidelity": "released"},
        {"representation": "output"},
        {"profile": ""},
        {"config_sha256": "abc"},
        {"weights_sha256": ""},
        {"environment": {"python": 3}},
        {"color": "red"},
        {"value": None, "reason": "failed"},
    ],
    ids=str,
)
def test_an_invalid_record_is_refused(make: Make, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**change)


def test_a_run_without_weights_can_still_give_a_reason(make: Make) -> None:
    record = make(value=None, reason="the run failed", spread=None, n=0, weights_sha256="")
    assert record.reason == "the run failed"


def test_a_record_is_immutable(make: Make) -> None:
    record = make()
    with pytest.raises(ValidationError):
        record.value = 99.0


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda line: line[: len(line) // 2], "is damaged: "),
        (lambda line: line.replace(b'"seed":3', b'"seed":"3"'), "seed"),
        (lambda line: line.replace(b'"base":"simclr",', b""), "missing base"),
        (lambda line: line.replace(b'"value":91.25', b'"value":NaN'), "value"),
        (lambda line: line.replace(b'"seed":3', b'"seed":3,"colour":1'), "colour"),
        (lambda line: line.replace(b"simclr", b"sim\xff"), "UTF-8"),
        (lambda line: b"", "is damaged: "),
        (lambda line: b"[]", "found list"),
        (lambda line: b"[" * 100_000, "nested too deeply"),
        (lambda line: line.replace(b"91.25", b"99.9"), "the record was changed after it was written; make it again"),
        (lambda line: line.replace(b"91.25", b"91.250"), "the record was changed after it was written; make it again"),
        (lambda line: line.replace(b'"seed":3', b'"seed":9,"seed":3'), "the record was changed after it was written"),
        (
            lambda line: re.sub(rb'"sha256":"\w+",', b"", line),
            "the record lacks its sha256: it comes from an earlier version",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, make: Make, damage: Callable[[bytes], bytes], expected: str) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, [make(seed=1), make(), make(seed=2)])
    lines = path.read_bytes().split(b"\n")
    assert damage(lines[1]) != lines[1]
    path.write_bytes(b"\n".join([lines[0], damage(lines[1]), *lines[2:]]))
    with pytest.raises(CareBenchError) as caught:
        read_records(path)
    assert re.match(rf"{path}:2(:| is damaged)", str(caught.value))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_errors_of_a_line_are_counted(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, [make()])
    before = path.read_bytes()
    for change, expected in ((b'"3"', "valid integer"), (b'"3","x":1', " (and 1 more error)")):
        path.write_bytes(before.replace(b'"seed":3', b'"seed":' + change))
        with pytest.raises(CareBenchError) as caught:
            read_records(path)
        assert str(caught.value).endswith(expected)


@pytest.mark.parametrize("largest", [1e-12, 1.0, 3e5])
def test_sums_in_another_order_give_the_same_record(make: Make, largest: float) -> None:
    values = np.random.default_rng(0).uniform(-largest, largest, 50)
    for order in (values, values[::-1], np.sort(values)):
        content = {"n": 50, "values": tuple(values.tolist())}
        make(**content, value=float(np.mean(order)), spread=float(np.std(order, ddof=1)))
        with pytest.raises(ValidationError, match=r"found value .*, but the mean of its 50 values is"):
            make(**content, value=float(np.mean(order)) + 1e-9 * largest, spread=None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"no\.jsonl: No such file"):
        read_records(tmp_path / "no.jsonl")
