"""Two collections side by side, with differences worked out by hand."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from care_bench.artifacts import Record
from care_bench.artifacts.collecting import collect
from care_bench.report.comparison import compare
from tests.commands import run_care_bench, run_report
from tests.forks import Ended
from tests.sample_records import write_runs

Make = Callable[..., Record]


@pytest.fixture
def sides(record: Make) -> tuple[list[Record], list[Record]]:
    """Of the first collection 2 on average, of the second 4; numbers of one seed; equal ones; and others."""
    first = [
        *(record(seed=seed, metric="gamma", value=value) for seed, value in enumerate((1.0, 3.0))),
        *(record(seed=seed, metric="wahba_error", value=0.5) for seed in range(2)),
        record(seed=0, metric="uniformity", value=10.0),
        record(seed=0, metric="top1", value=1.0, protocol_version=1),
        record(seed=0, metric="invariance", value=1.0),
        record(seed=0, metric="gamma_median", value=None, reason="collapsed", n=0),
    ]
    second = [
        *(record(profile="other", seed=seed, metric="gamma", value=value) for seed, value in enumerate((2.0, 6.0))),
        *(record(profile="other", seed=seed, metric="wahba_error", value=0.5) for seed in range(2)),
        record(profile="other", seed=0, metric="uniformity", value=11.0),
        record(profile="other", seed=0, metric="top1", value=1.5, protocol_version=2),
        record(profile="other", seed=0, metric="gamma_median", value=0.1),
        record(profile="other", seed=0, metric="gamma", epoch=10, value=0.1),
    ]
    return first, second


def test_differences_are_those_worked_out_by_hand(sides: tuple[list[Record], list[Record]]) -> None:
    found = compare(*sides)
    assert (found.equal, found.only_first, found.only_second, found.other_version) == (1, 1, 2, 1)
    gamma, uniformity = found.differences  # the one with a spread comes first
    assert gamma.means == (2.0, 4.0)
    assert gamma.difference == 2.0
    assert gamma.relative == 0.5
    assert gamma.deviations == pytest.approx(2 / math.sqrt((2 + 8) / 2))  # variances 2 and 8 with ddof 1
    assert uniformity.deviations is None
    assert uniformity.relative == pytest.approx(1 / 11)


def test_a_change_of_what_is_the_same_for_every_seed_comes_first(record: Make) -> None:
    noise = (1.0, -1.0)
    first = [record(seed=seed, metric="gamma", value=noise[seed]) for seed in range(2)]
    first += [record(seed=seed, metric="uniformity", value=1.0) for seed in range(2)]
    second = [record(seed=seed, metric="gamma", value=noise[seed] + 0.01) for seed in range(2)]
    second += [record(seed=seed, metric="uniformity", value=9.0) for seed in range(2)]
    metrics = [next(iter(found.first.values())).metric for found in compare(first, second).differences]
    assert metrics == ["uniformity", "gamma"]


def test_rounding_of_what_no_seed_changes_comes_last(record: Make) -> None:
    first = [record(seed=seed, metric="gamma", value=float(seed)) for seed in range(2)]
    first += [record(seed=seed, metric="uniformity", value=1.0) for seed in range(2)]
    second = [record(seed=seed, metric="gamma", value=seed + 0.01) for seed in range(2)]
    second += [record(seed=seed, metric="uniformity", value=1.0 + 1e-7) for seed in range(2)]
    metrics = [next(iter(found.first.values())).metric for found in compare(first, second).differences]
    assert metrics == ["gamma", "uniformity"]


def test_the_same_seeds_in_another_order_are_equal_and_other_seeds_are_not(record: Make) -> None:
    first = [record(seed=seed, value=float(seed)) for seed in (0, 1)]
    assert compare(first, first[::-1]).equal == 1
    moved = [record(seed=seed + 1, value=float(seed)) for seed in (0, 1)]
    (difference,) = compare(first, moved).differences
    assert difference.difference == 0.0  # other seeds with the same mean: not equal, and not apart


def test_other_data_and_other_numbers_of_samples_are_named(record: Make) -> None:
    one = [record(), record(dataset="proteins", variant="simclr"), record(metric="gamma", samples=64)]
    other = [record(data_sha256="0" * 64), record(dataset="proteins", variant="simclr"), record(metric="gamma")]
    assert compare(one, other).settings == (
        f"content of data set digits differs: {record().data_sha256[:12]} -> 000000000000",
        "numbers of samples of relative-equivariance-v1 differ: 64 -> all",
    )


def test_settings_that_differ_between_the_two_sides_are_named(record: Make) -> None:
    def of(seed: int, value: float, crop: float, **training: int) -> Record:
        config = {"seed": seed, "profile": f"p{value}", "training": {"epochs": 3, **training}}
        text = json.dumps(config, sort_keys=True, separators=(",", ":"))
        named = {"config": text, "config_sha256": hashlib.sha256(text.encode()).hexdigest()}
        return record(seed=seed, value=value, evaluation=json.dumps({"augmentation": {"crop": crop}}), **named)

    found = compare([of(0, 1.0, 0.5), of(1, 1.5, 0.5)], [of(0, 2.0, 0.25, batch_size=8)])
    assert found.settings == (
        "settings of the measurement differ: augmentation.crop 0.5 -> 0.25",
        "settings of the runs differ: training.batch_size absent -> 8",
    )
    assert compare([of(0, 1.0, 0.5)], [of(1, 2.0, 0.5)]).settings == ()
    many = compare([of(0, 1.0, 0.5)], [of(0, 2.0, 0.5, **{f"k{number}": number for number in range(6)})]).settings
    assert many[0] == "settings of the runs differ: training.k0 absent -> 0"
    assert many[-1] == "settings of the runs differ: and 2 more"


def test_why_nothing_can_be_compared_is_said(record: Make) -> None:
    measured = {"method": "imported", "base": None, "fidelity": None, "variant": "mine", "backbone": "mine.py:f"}
    ours = [record(variant=name) for name in ("care", "care-weight-1", "care-weight-3")]
    found = compare([record(**measured)], ours)
    assert found.apart == (
        "nothing can be compared: other rows (mine (imported) against care, care-weight-1 and 1 more); other backbones "
        "(mine.py:f against convnet)"
    )
    other = [record(**measured, data_sha256="0" * 64, evaluation='{"samples": 40, "k": 1}')]
    found = compare(other, [record(evaluation='{"samples": 50, "k": 1}')])
    assert found.apart.endswith("; other content of data sets (digits); other evaluation settings (samples)")
    assert compare([record(metric="gamma")], [record(metric="gamma_median")]).apart == (
        "nothing can be compared: other metrics (gamma against gamma_median)"
    )
    gamma, median = ([record(metric=name, representation=of) for of in ("projection", "features")]
                     for name in ("gamma", "gamma_median"))  # fmt: skip
    crossed, turned = [gamma[0], median[1]], [median[0], gamma[1]]
    assert "none has the same data set, row, protocol, metric, layer and epoch" in compare(crossed, turned).apart
    assert compare([], [record()]).apart == "nothing can be compared: the first has no number"
    assert compare([record()], [record(value=9.0)]).apart == ""


def test_zeros_of_other_seeds_are_not_apart(record: Make) -> None:
    zeros = [record(seed=seed, value=0.0) for seed in (0, 1)]
    (difference,) = compare(zeros[:1], zeros[1:]).differences
    assert difference.size == (0.0, 0.0)


def test_one_seed_is_compared_by_the_spread_of_several(record: Make) -> None:
    several = [record(seed=seed, value=value) for seed, value in enumerate((1.0, 3.0))]
    (difference,) = compare(several, [record(seed=0, value=5.0)]).differences
    assert difference.deviations == pytest.approx(3 / math.sqrt(2))  # from 2 to 5, the variance of 1 and 3 is 2
    (difference,) = compare(several[:1], [record(seed=0, value=5.0)]).differences
    assert difference.deviations is None


def test_the_command_prints_and_writes_them(sides: tuple[list[Record], list[Record]], tmp_path: Path) -> None:
    for name, records in zip(("one", "two"), sides, strict=True):
        collect(write_runs(tmp_path / name, records), tmp_path / "collected" / name)
    ended = run_care_bench("report", tmp_path, "--compare", "one", "collected/two")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[2] == "1 numbers are equal to the bit, 2 differ"
    assert "not compared: 1 in the first alone, 2 in the second, 1 by another version" in lines[3]
    assert lines[4].startswith("2.000 -> 4.000 (+0.89 sd): γ, mean of the ")
    assert max(map(len, lines[:-1])) <= 100
    path = tmp_path / "report" / "collected-one-against-collected-two" / "report.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["metric"] for row in rows] == ["gamma", "uniformity"]
    assert [float(rows[0][key]) for key in ("first", "second", "difference")] == [2.0, 4.0, 2.0]
    ids = {record.id for side in sides for record in side}
    assert {name for row in rows for key in ("records_first", "records_second") for name in row[key].split()} <= ids


def test_the_command_says_why_nothing_can_be_compared(record: Make, tmp_path: Path) -> None:
    for name, dataset in (("one", "digits"), ("two", "proteins")):
        collect(write_runs(tmp_path / name, [record(dataset=dataset)]), tmp_path / "collected" / name)
    ended = run_report(tmp_path, "--compare", "one", "two")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[2] == "0 numbers are equal to the bit, 0 differ"
    assert lines[4] == "nothing can be compared: other data sets (digits against proteins)"


@pytest.mark.parametrize("run", [run_report, lambda *arguments: run_care_bench("report", *arguments)])
def test_the_options_beside_compare_are_heeded_or_refused(
    sides: tuple[list[Record], list[Record]], tmp_path: Path, run: Callable[..., Ended]
) -> None:
    for name, records in zip(("one", "two"), sides, strict=True):
        collect(write_runs(tmp_path / name, records), tmp_path / "collected" / name)
    compared = (tmp_path, "--compare", "one", "two", "--out", tmp_path / "mine")
    for options in (("--format", "md"), ("--collection", "one"), ("--print",)):
        ended = run(*compared, *options)
        assert ended.returncode == 2
        said = f"{options[0]} is for a report, and --compare writes a CSV alone; expected one of the two\n"
        assert ended.stderr.endswith(said)
        assert ended.stderr.count("\n") == 1
        assert not (tmp_path / "mine").exists()
    assert run(*compared, "--format", "csv").returncode == 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["report.csv"]
    assert not (tmp_path / "report").exists()


def test_a_comparison_replaces_no_report(sides: tuple[list[Record], list[Record]], tmp_path: Path) -> None:
    for name, records in zip(("one", "two"), sides, strict=True):
        collect(write_runs(tmp_path / name, records), tmp_path / "collected" / name)
    compared = ("--compare", "one", "two", "--out", tmp_path / "mine")
    assert run_report(tmp_path, "--collection", "one", "--out", tmp_path / "mine").returncode == 0
    before = sorted((tmp_path / "mine").rglob("*"))
    ended = run_report(tmp_path, *compared)
    assert ended.returncode == 2
    assert "which cannot be part of a comparison" in ended.stderr
    assert sorted((tmp_path / "mine").rglob("*")) == before


def test_an_unknown_collection_is_one_line(sides: tuple[list[Record], list[Record]], tmp_path: Path) -> None:
    collect(write_runs(tmp_path / "one", sides[0]), tmp_path / "collected" / "one")
    ended = run_care_bench("report", tmp_path, "--compare", "one", "onne")
    assert ended.returncode == 2
    assert "unknown collection 'onne': did you mean 'one'" in ended.stderr
    assert not (tmp_path / "report").exists()
