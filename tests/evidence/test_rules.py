"""Names in rules for claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from care_bench.errors import CareBenchError
from care_bench.evidence.rules import read_rules
from tests.evidence.made import claim, rules

GUARD = {"protocol": "alignment-uniformity-v1", "metric": "uniformty", "most": 0.05}
SWEEP = {
    "rows": {"a": 1, "b": 2},
    "inside": [1, 1],
    "direction": "lower",
    "datasets": ["digits"],
    "protocols": ["wahba-v1"],
    "metric": "top1",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (claim({"protocols": ["wahba-v2"]}), "unknown protocol 'wahba-v2': did you mean 'wahba-v1'"),
        (claim({"metric": "wahba_eror"}), "unknown metric of wahba-v1 'wahba_eror': did you mean 'wahba_error'"),
        (claim(guards={"collapse": GUARD}), "unknown metric of alignment-uniformity-v1 'uniformty'"),
        (claim(sweep=SWEEP), "unknown metric of wahba-v1 'top1'"),
    ],
)
def test_names_that_do_not_exist(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps(rules(changes)))
    with pytest.raises(CareBenchError) as error:
        read_rules(path)
    assert str(error.value).startswith(f"{path}: claim C5: {message}")
    assert "\n" not in str(error.value)


def test_rules_without_mistake_are_read(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps(rules(claim())))
    assert [one.id for one in read_rules(path)[0].claims] == ["C5"]
