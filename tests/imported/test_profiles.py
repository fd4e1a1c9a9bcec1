"""Imported encoders in a profile: their jobs, their records, and mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from care_bench.artifacts.collecting import collect_profile
from care_bench.artifacts.collection import read_collection
from care_bench.config import ImportedConfig, Profile, parse_profile
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.jobs import measure_runs


def profile(encoders: Path, **encoder: Any) -> dict[str, Any]:
    return {
        "profile": "zoo",
        "seeds": [0],
        "runs_per_job": 2,
        "evaluation": {"samples": 40, "augmentations": 2},
        "datasets": {
            "digits": {
                "preset": "digits",
                "imported": {
                    "first": {"encoder": f"{encoders}:grey", **encoder},
                    "second": {"encoder": "timm:test_resnet", "size": 32, "layers": ["pooled", "layer1"], "seed": 3},
                },
            }
        },
    }


def test_a_profile_measures_imported_encoders(
    encoders: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parse_profile(profile(encoders), "zoo")
    assert parsed.runs() == []
    jobs = parsed.imported_jobs()
    assert [(name, [one.id for one in part]) for name, part in jobs.items()] == [
        ("digits/imported1", ["digits/first/seed0", "digits/second/seed3"])
    ]
    file, out, runs = tmp_path / "runs.json", tmp_path / "measured.json", tmp_path / "runs"
    file.write_text(json.dumps([one.model_dump(mode="json") for one in jobs["digits/imported1"]]))
    work: Callable[[], None] = lambda: measure_runs(  # noqa: E731
        file, parsed.measured("digits"), runs, data, tmp_path / "logs", out
    )
    work()
    made = json.loads(out.read_text())
    assert sorted(made) == ["digits/first/seed0", "digits/second/seed3"]
    assert "no weights: its initial ones, of seed 3" in (tmp_path / "logs/digits/second/seed3.measure.log").read_text()
    before = (runs / "digits/first/seed0/records.jsonl").stat().st_mtime_ns
    monkeypatch.setattr(Embedder, "make", lambda *_: pytest.fail("records that are current were measured again"))
    work()
    assert (runs / "digits/first/seed0/records.jsonl").stat().st_mtime_ns == before
    collect_profile(parsed, runs, tmp_path / "collected" / "zoo")
    found = read_collection(tmp_path / "collected" / "zoo")
    assert found.variants == {"digits": ("first", "second", "second@layer1")}
    assert {record.backbone for record in found.records} == {"mine.py:grey", "timm:test_resnet, no weights"}
    changed = parse_profile(profile(encoders, size=16), "zoo")
    with pytest.raises(CareBenchError, match="has records of other settings"):
        collect_profile(changed, runs, tmp_path / "collected" / "zoo")


NET = """
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(64, 4)

    def forward(self, images):
        return super().forward(images.flatten(1))
"""
CODE = {"mine.py": "from net import Net\n\ndef build():\n    return Net()\n", "net.py": NET}


def test_records_of_other_files_are_neither_current_nor_collected(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code, what it imports, and the weights: each with other content, and of the same name in another folder."""
    for seed, folder in enumerate(("first", "second")):
        (tmp_path / folder).mkdir()
        for name, content in CODE.items():
            (tmp_path / folder / name).write_text(content)
        torch.manual_seed(seed)
        torch.save(nn.Linear(64, 4).state_dict(), tmp_path / folder / "mine.pth")

    def parsed(code: str = "first", weights: str = "first") -> Profile:
        content = profile(tmp_path / code / "mine.py", weights=str(tmp_path / weights / "mine.pth"))
        imported = content["datasets"]["digits"]["imported"]
        imported["first"]["encoder"] = f"{tmp_path / code / 'mine.py'}:build"
        del imported["second"]
        return parse_profile(content, "zoo")

    runs = tmp_path / "runs"

    def measured() -> bool:
        path = runs / "digits/first/seed0/records.jsonl"
        before = path.stat().st_ino if path.exists() else None
        file = tmp_path / "runs.json"
        file.write_text(json.dumps([one.model_dump(mode="json") for one in parsed().imported()]))
        measure_runs(file, parsed().measured("digits"), runs, data, tmp_path / "logs", tmp_path / "measured.json")
        return path.stat().st_ino != before

    def collected(*folders: str) -> None:
        collect_profile(parsed(*folders), runs, tmp_path / "collected" / "zoo")

    assert measured()
    assert not measured()
    collected()
    collected("second")  # the same code
    with pytest.raises(
        CareBenchError, match=r"made from another mine\.pth than .*second/mine\.pth of profile zoo; meas"
    ):
        collected("first", "second")
    for name in ("mine.py", "net.py"):
        path = tmp_path / "second" / name
        path.write_text(f"{CODE[name]}# another\n")
        with pytest.raises(
            CareBenchError, match=rf"made from another {name} than .*second/{name} of profile zoo; meas"
        ):
            collected("second")
        path.write_text(CODE[name])
    (tmp_path / "second" / "net.py").unlink()
    with pytest.raises(CareBenchError, match=r"made from another net\.py than"):
        collected("second")
    (tmp_path / "first" / "net.py").write_text(NET.replace("flatten(1))", "flatten(1)).relu()"))
    with pytest.raises(CareBenchError, match=r"made from another net\.py than"):
        collected()
    assert measured()
    collected()
    (tmp_path / "first" / "mine.pth").unlink()
    (tmp_path / "first" / "mine.py").unlink()
    collected()  # what is gone since it was measured is no other file


def resolve(content: dict[str, Any]) -> None:
    parsed = parse_profile(content, "zoo")
    parsed.runs()
    parsed.imported()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": {"first": {"name": "simclr"}}}, "'first' names a method and an imported encoder"),
        ({"imported": {"a b": {"encoder": "timm:resnet18"}}}, "imported encoder 'a b' cannot be a folder"),
        ({"imported": {"a": {"encoder": "resnet18"}}}, "imported.a.encoder"),
        ({"imported": {}}, "no methods and no imported encoders"),
    ],
)
def test_wrong_profiles(encoders: Path, change: dict[str, Any], said: str) -> None:
    content = profile(encoders)
    content["datasets"]["digits"] |= change
    with pytest.raises(CareBenchError) as raised:
        resolve(content)
    assert said in str(raised.value)
    assert yaml.safe_load(yaml.safe_dump(content))  # it is a profile that a file can hold


def test_a_configuration_has_its_settings_once() -> None:
    config = ImportedConfig.parse(
        {"profile": "p", "dataset": "digits", "variant": "v", "imported": {"encoder": "a/b/mine.py:build"}}, "here"
    )
    assert config.imported.recorded()["encoder"] == "mine.py:build"
    assert [str(path) for path in config.imported.files] == ["a/b/mine.py"]
