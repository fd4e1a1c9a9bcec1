"""The example package with the real commands: prepare, pretrain, evaluate, collect, report, and the workflow."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from care_bench.artifacts import Record, read_records
from tests.forks import Ended, run_forked

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(__file__).parent / "example_package"
PROFILE: dict[str, Any] = {**yaml.safe_load((EXAMPLE / "profile.yaml").read_text()), "steps": 2}
VARIANTS = tuple(PROFILE["datasets"]["shapes"]["methods"])
SETTINGS = {"augmentations": 2, "classifier_seeds": 1, "samples": 64}

Run = Callable[..., Ended]


def snakemake(profile: dict[str, Any], folder: Path, *path: Path, run: Callable[..., Ended] = run_forked) -> Ended:
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
    arguments = ("--snakefile", ROOT / "Snakefile", "--configfile", "profile.yaml", "--cores", 1, "--dry-run")
    return run("snakemake", *arguments, cwd=folder, path=path)


def only_line(ended: Ended) -> str:
    """Return the single line printed by a command that must fail."""
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def on_digits(**methods: dict[str, Any]) -> dict[str, Any]:
    """Return a profile of methods on a data set of care_bench."""
    return {"profile": "mixed", "seeds": [0], "datasets": {"digits": {"preset": "digits", "methods": methods}}}


@pytest.fixture(scope="module")
def folder(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every variant of the example's profile, pretrained and evaluated."""
    folder = tmp_path_factory.mktemp("extended")
    (folder / "profile.yaml").write_text(yaml.safe_dump(PROFILE, sort_keys=False))
    (folder / "evaluation.json").write_text(json.dumps(SETTINGS))

    def care_bench(*arguments: str) -> str:
        ended = run_forked("care_bench", *arguments, cwd=folder, path=(installed,))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert "shapes: 1200 train, 300 test" in care_bench("prepare", "shapes")
    for variant in VARIANTS:
        care_bench("pretrain", "profile.yaml", "--run", f"shapes/{variant}/seed0", "--out", variant)
        care_bench("evaluate", variant, "--settings", "evaluation.json")
    return folder


@pytest.fixture(scope="module")
def records(folder: Path) -> dict[str, list[Record]]:
    return {variant: read_records(folder / variant / "records.jsonl") for variant in VARIANTS}


def test_records_name_the_method_its_wrapper_and_the_package(records: dict[str, list[Record]]) -> None:
    first = {variant: found[0] for variant, found in records.items()}
    names = {variant: (record.method, record.base) for variant, record in first.items()}
    assert names == {
        "vicreg": ("vicreg", None),
        "care-vicreg": ("care", "vicreg"),
        "equimod-vicreg": ("equimod", "vicreg"),
    }
    assert {record.dataset for record in first.values()} == {"shapes"}
    assert {record.environment["care-bench-example"] for found in records.values() for record in found} == {"0.1.0"}
    base = json.loads(first["care-vicreg"].config)["method"]["base"]
    assert base["covariance_weight"] == 2
    assert base["invariance_weight"] == 25


def test_every_term_of_the_method_and_of_its_wrapper_is_logged(folder: Path) -> None:
    logged = {
        variant: set(json.loads((folder / variant / "log.jsonl").read_text().splitlines()[-1])) for variant in VARIANTS
    }
    own = {"step", "learning_rate", "loss", "invariance", "variance", "covariance"}
    added = {"gradient_ratio"}
    assert logged == {
        "vicreg": own,
        "care-vicreg": own | added | {"equivariance"},
        "equimod-vicreg": own | added | {"equimod"},
    }


def test_the_metric_of_the_package_is_measured_on_every_run(records: dict[str, list[Record]]) -> None:
    for found in records.values():
        ranks = [record for record in found if record.metric == "effective_rank"]
        assert {(rank.protocol, rank.protocol_version, rank.unit) for rank in ranks} == {("effective-rank-v1", 1, "1")}
        assert sorted(rank.representation for rank in ranks) == ["features", "projection"]
        widths = {"features": 32, "projection": 64}  # the last block of the convnet has 4 x 8 channels
        assert all(rank.value is not None and 1 <= rank.value <= widths[rank.representation] for rank in ranks)


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    """The report, made without the package: the records are all it needs."""
    files = [f"{variant}/records.jsonl" for variant in VARIANTS]
    for arguments in (("collect", *files, "--out", "results/collected/shapes-steps2"), ("report", "results")):
        ended = run_forked("care_bench", *arguments, cwd=folder)
        assert ended.returncode == 0, ended.stderr
    return folder / "results/report/all"


def test_the_report_shows_the_methods_without_the_package(report: Path) -> None:
    with (report / "report.csv").open() as file:
        rows = {row["row"] for row in csv.DictReader(file)}
    assert rows == {"vicreg", "CARE (vicreg, covariance weight 2), paper fidelity", "EquiMod (vicreg)"}
    assert "covariance_weight 25" not in (report / "report.md").read_text()
    assert "base.covariance_weight 2" in (report / "report.md").read_text()


def test_the_report_shows_the_metric(report: Path) -> None:
    with (report / "report.csv").open() as file:
        cells = [row for row in csv.DictReader(file) if row["column"] == "effective_rank"]
    assert len(cells) == 2 * len(VARIANTS)
    assert all(float(cell["value"]) >= 1 and cell["ids"] for cell in cells)


def test_the_workflow_plans_the_profile(installed: Path, tmp_path: Path) -> None:
    planned = snakemake(PROFILE, tmp_path, installed)
    assert planned.returncode == 0, planned.stderr
    for variant in VARIANTS:
        assert f"results/jobs/shapes-steps2/shapes/{variant}/seed0/evaluated.json" in planned.stdout


def test_planning_imports_torch_only_for_a_method_of_a_package(installed: Path, run: Run, tmp_path: Path) -> None:
    poison = tmp_path / "poison"
    poison.mkdir()
    (poison / "torch.py").write_text("raise RuntimeError('torch was imported')\n")
    path = (poison, installed)
    for arguments in (("--help",), ("doctor", "--quick"), ("prepare", "shapes", "--data", "data")):
        ended = run("care_bench", *arguments, cwd=tmp_path, path=path)
        assert ended.returncode == 0, ended.stderr
    shapes = {**PROFILE["datasets"]["shapes"], "methods": {"simclr": {"name": "simclr"}}}
    planned = snakemake({**PROFILE, "datasets": {"shapes": shapes}}, tmp_path, *path, run=run)
    assert planned.returncode == 0, planned.stderr
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(on_digits(vicreg={"name": "vicreg"})))
    line = only_line(run("care_bench", "pretrain", "profile.yaml", "--out", "out", cwd=tmp_path, path=path))
    assert "of package care-bench-example 0.1.0 " in line
    assert "cannot be imported (RuntimeError: torch was imported)" in line


def test_without_the_package_one_line_names_the_unknown_name_and_the_known_ones(tmp_path: Path) -> None:
    wrapped = {"name": "care", "base": {"name": "vicreg"}, "splits": 16, "weight": 0.3}
    for profile, message in (
        (PROFILE, "unknown data set 'shapes': known: "),
        (on_digits(vicreg={"name": "vicreg"}), "unknown method 'vicreg': did you mean 'care'? known: augself, "),
        (on_digits(care=wrapped), "unknown base method 'vicreg': "),
    ):
        (tmp_path / "profile.yaml").write_text(yaml.safe_dump(profile))
        ended = run_forked("care_bench", "pretrain", "profile.yaml", "--out", "out", cwd=tmp_path)
        assert message in only_line(ended)
    planned = snakemake(on_digits(vicreg={"name": "vicreg"}), tmp_path)
    assert planned.returncode == 1
    assert "unknown method 'vicreg': did you mean 'care'? known: augself, " in planned.stdout + planned.stderr
    assert "Traceback" not in planned.stdout + planned.stderr
