from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.settings import flattened, key_of, settings_frame
from care_bench.errors import CareBenchError

CARE = {
    "method": {"name": "care", "weight": 3.0, "base": {"name": "simclr", "temperature": 0.5}},
    "training": {"epochs": 10, "snapshot_epochs": [2, 4], "steps": None},
    "seed": 1,
}
SIMCLR = {"method": {"name": "simclr", "temperature": 0.2}, "training": {"epochs": 10}, "seed": 1}


def of_config(record: Callable[..., Record], config: dict[str, Any], **changes: Any) -> Record:
    text = json.dumps(config)
    return record(config=text, config_sha256=hashlib.sha256(text.encode()).hexdigest(), **changes)


def test_settings_are_flat_and_a_list_is_one_setting() -> None:
    assert flattened(json.dumps(CARE)) == {
        "method.name": "care",
        "method.weight": 3.0,
        "method.base.name": "simclr",
        "method.base.temperature": 0.5,
        "training.epochs": 10,
        "training.snapshot_epochs": "[2, 4]",
        "training.steps": None,
        "seed": 1,
    }


def test_every_setting_is_a_column_and_empty_where_a_run_lacks_it(record: Callable[..., Record]) -> None:
    found = settings_frame([of_config(record, CARE, seed=1), of_config(record, SIMCLR, seed=1, variant="care")])
    assert found["method.weight"].isna().tolist() == [False, True]
    assert found["method.weight"].iloc[0] == 3.0
    assert found["method.temperature"].tolist()[1] == 0.2
    assert found["seed"].tolist() == [1, 1]
    assert found["value"].tolist() == [90.0, 90.0]


def test_a_short_name_finds_the_setting_wherever_it_stands() -> None:
    configs = [flattened(json.dumps(config)) for config in (CARE, SIMCLR)]
    assert key_of("temperature", configs) == {0: "method.base.temperature", 1: "method.temperature"}
    assert key_of("weight", configs) == {0: "method.weight"}
    assert key_of("base.name", configs) == {0: "method.base.name"}
    assert key_of("seed", configs) == {0: "seed", 1: "seed"}


def test_a_misspelt_or_ambiguous_name_is_one_line() -> None:
    configs = [flattened(json.dumps(config)) for config in (CARE, SIMCLR)]
    with pytest.raises(CareBenchError, match="unknown setting 'wieght': did you mean 'weight'"):
        key_of("wieght", configs)
    with pytest.raises(CareBenchError, match=r"'name' has several places; expected one of method.base.name, method.na"):
        key_of("name", configs)
