"""What the encoders of one collection have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.consistency import check
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from tests.artifacts.profile_runs import record_files

Make = Callable[..., Record]


def _trained(record: Make, seed: int, **changes: Any) -> Record:
    """A record of a run with this seed in its configuration too."""
    config = {**json.loads(record().config), "seed": seed, **changes}
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return record(seed=seed, config=text, config_sha256=sha256_bytes(text.encode()))


def test_runs_of_a_row_differ_in_their_seed_alone(tmp_path: Path, record: Make) -> None:
    collect(record_files(tmp_path, [_trained(record, 1)], [_trained(record, 2)]), tmp_path / "out")
    one, other = _trained(record, 1, training={"rate": 0.1}), _trained(record, 2, training={"rate": 0.5})
    with pytest.raises(CareBenchError) as caught:
        collect(record_files(tmp_path, [one], [other]), tmp_path / "mixed")
    assert str(caught.value).endswith(
        f"seeds of digits/simclr have training.rate = 0.1 and 0.5 (records {one.id} and {other.id}); "
        "expected encoders that differ in their seed alone"
    )
    with pytest.raises(CareBenchError, match=r"have training\.rate = 0\.1 and absent"):
        check([one, _trained(record, 2)], "here")


def _care(record: Make, seed: int, fidelity: str, variant: str = "care") -> Record:
    config = {"method": {"name": "care", "fidelity": fidelity}, "seed": seed}
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    named = {"config": text, "config_sha256": sha256_bytes(text.encode()), "method": "care", "base": "simclr"}
    return record(seed=seed, variant=variant, fidelity=fidelity, **named)


def test_a_variant_is_one_row(tmp_path: Path, record: Make) -> None:
    """Rules for claims know a row by its data set and variant, so that no other method may have the same ones."""
    one, other = _care(record, 1, "paper"), _care(record, 2, "released-code")
    expected = r'seeds of digits/care have method\.fidelity = "paper" and "released-code"'
    with pytest.raises(CareBenchError, match=expected):
        check([one, other], "here")
    with pytest.raises(CareBenchError, match=expected):
        collect(record_files(tmp_path, [one], [other]), tmp_path / "mixed")
    collect(record_files(tmp_path, [one], [_care(record, 2, "released-code", "released")]), tmp_path / "two")


def test_an_encoder_has_one_training(tmp_path: Path, record: Make) -> None:
    """Records of before and after it was trained again are not of one encoder; a metric without weights is of both."""
    before = record(metric="gamma", weights_sha256="0" * 64)
    logged = record(metric="gradient_ratio", value=None, n=0, reason="no log", weights_sha256="")
    check([record(), logged, record(metric="wahba_error", epoch=3, weights_sha256="0" * 64)], "here")
    named = (
        f"digits/simclr/seed0 was measured on weights {record().weights_sha256[:12]} and on 000000000000 (records "
        f"{record().id} and {before.id}); expected one training"
    )
    with pytest.raises(CareBenchError) as caught:
        check([record(), before], "here")
    assert str(caught.value) == f"here: {named}"
    with pytest.raises(CareBenchError) as caught:
        collect(record_files(tmp_path, [record()], [before]), tmp_path / "mixed")
    assert str(caught.value).endswith(named)
    with pytest.raises(CareBenchError, match="seed0 at epoch 3 was measured on weights"):
        check([record(epoch=3), record(metric="gamma", epoch=3, weights_sha256="0" * 64)], "here")


def test_imported_seeds_have_files_of_their_own_or_none_has_one(record: Make) -> None:
    def imported(seed: int, weights: str | None, size: int = 32) -> Record:
        settings = {"encoder": "enc.py:tiny", "weights": weights, "seed": seed, "size": size}
        text = json.dumps({"settings": settings, "provenance": {"weights": weights}}, sort_keys=True)
        named = {"config": text, "config_sha256": sha256_bytes(text.encode())}
        return record(seed=seed, method="imported", variant="mine", base=None, fidelity=None, **named)

    check([imported(0, "a.pth"), imported(1, "b.pth")], "here")
    check([imported(0, None), imported(1, None)], "here")
    with pytest.raises(CareBenchError, match=r'here: seeds of digits/mine have settings\.weights = "a file" and null'):
        check([imported(0, "a.pth"), imported(1, None)], "here")
    with pytest.raises(CareBenchError, match=r"settings\.size = 32 and 64"):
        check([imported(0, "a.pth"), imported(1, "b.pth", size=64)], "here")
