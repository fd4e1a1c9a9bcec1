"""Files that a collection keeps beside its records: under the manifest of its pin, and only of a profile's runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect_profile
from care_bench.artifacts.json_lines import Line, encode_lines
from care_bench.artifacts.pin import pin, read_pin
from care_bench.config import parse_profile
from care_bench.errors import CareBenchError
from tests.artifacts.profile_runs import measured, write_evaluated
from tests.commands import run_care_bench
from tests.illustrated import illustrations
from tests.resampled import resamples

MADE: dict[str, Callable[[Record], Line]] = {
    "illustrations": lambda record: illustrations([record]),
    "resamples": resamples,
}
KINDS = pytest.mark.parametrize("kind", MADE)


@KINDS
def test_a_changed_byte_is_named(kind: str, tmp_path: Path) -> None:
    profile = parse_profile(
        {
            "profile": "small",
            "seeds": [0],
            "datasets": {"digits": {"preset": "digits", "methods": {"simclr": {"name": "simclr"}}}},
        },
        "here",
    )
    (run,) = profile.runs()
    record = measured(run)
    write_evaluated(tmp_path / "runs" / run.id, [record])
    (tmp_path / "made.jsonl").write_bytes(encode_lines([MADE[kind](record)]))
    files = {"illustrations": [], "resamples": [], kind: [tmp_path / "made.jsonl"]}
    collect_profile(profile, tmp_path / "runs", tmp_path / "results/collected/small", **files)
    kept = pin(tmp_path / "results", "kept", "small") / f"{kind}.jsonl"
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    ended = run_care_bench("verify", tmp_path / "results")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"changed {kept}" in ended.stderr
    with pytest.raises(CareBenchError, match=rf"changed .*{kind}.jsonl"):
        read_pin(kept.parent)
    kept.unlink()
    assert f"missing {kept}" in run_care_bench("verify", tmp_path / "results").stderr


@KINDS
def test_a_collection_of_files_of_records_holds_none(kind: str, tmp_path: Path) -> None:
    ended = run_care_bench("collect", "--out", tmp_path / "out", f"--{kind}", tmp_path / "made.jsonl", "some.jsonl")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"--{kind} is for the runs of a profile; expected --profile and --runs beside it" in ended.stderr
