"""The documentation names every setting, command, data set, method and protocol."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts.collecting import collect
from care_bench.cli import app
from care_bench.config import BACKBONE_SETTINGS, METHOD_SETTINGS, EvaluationConfig, Profile, read_profile
from care_bench.config import run as run_module
from care_bench.data import DATASETS
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.methods import METHODS
from tests.sample_records import make_record, write_runs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RUN = (ROOT / "docs/run.md").read_text()
CONTENTS = (ROOT / "docs/contents.md").read_text()
CONFIG = (ROOT / "workflows/config/README.md").read_text()
SETTINGS: list[type[Any]] = [
    *(
        value
        for name, value in vars(run_module).items()
        if name.endswith("Config") and isinstance(value, type) and name != "RunConfig"
    ),
    *METHOD_SETTINGS.values(),
    *dict.fromkeys(BACKBONE_SETTINGS.values()),
    EvaluationConfig,
    Profile,
]


@pytest.mark.parametrize("model", SETTINGS, ids=lambda model: model.__name__)
def test_every_key_of_a_profile_is_documented(model: type[Any]) -> None:
    keys = [field.name for field in fields(model)] if is_dataclass(model) else model.model_fields
    missing = [key for key in keys if not re.search(rf"[`.{{ ]{key}[`:.]", CONFIG)]
    assert not missing


def test_every_command_and_protocol_has_its_page() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    stages = ("pretrain", "evaluate", "measure", "illustrate", "resample")
    of_the_workflow = {"keep-rules", *(f"{stage}-runs" for stage in stages)}
    assert commands - of_the_workflow == set(re.findall(r"^care-bench ([\w-]+)", RUN, re.MULTILINE))
    assert all(f"`{dataset}`" in CONTENTS for dataset in DATASETS)
    assert all(f"`{protocol}`" in CONTENTS for protocol in PROTOCOLS)
    assert all(f"`{method}`" in CONTENTS and f"`{method}`" in CONFIG for method in METHODS)


def test_every_snakemake_command_says_where_its_jobs_run() -> None:
    """Without cores or a profile snakemake stops with an error."""
    pages = (README, RUN, CONFIG, *(path.read_text() for path in (ROOT / "docs").glob("*.md")))
    text = "\n".join(pages)
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(snakemake [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("snakemake ")] + inline
    assert len(commands) >= 15
    for command in commands:
        assert re.search(r"--cores|-profile |--report| -n\b|--dry-run", command), command


def test_every_link_has_a_target() -> None:
    pages = ("README.md", "workflows/config/README.md", "results/README.md", "theory_checks/README.md")
    for path in (*(ROOT / page for page in pages), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", path.read_text()):
            assert (path.parent / target.partition("#")[0]).exists(), (path, target)


def test_every_collection_of_a_command_is_pinned_or_made_by_another_command() -> None:
    pinned = {path.name for path in (ROOT / "results/pinned").iterdir()}
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = re.sub(r"  #.*", "", path.read_text())  # without the comments beside commands
        made = {*re.findall(r"--out results/collected/([\w-]+)", text), "collected/smoke"}  # by make reproduce
        assert set(re.findall(r"--collection ([a-z][\w/-]+)", text)) <= pinned | made, path


def test_the_cost_of_the_paper_s_profile_is_the_sum_of_its_data_sets() -> None:
    table = CONFIG[CONFIG.index("| data set | SimCLR |") :]
    variants = {name: int(number) for name, number in re.findall(r"`(\w+)` \((\d+) variants\)", table)}
    datasets = read_profile(ROOT / "workflows/config/paper.yaml").datasets
    assert variants == {name: len(dataset.methods) for name, dataset in datasets.items()}
    total = re.search(r"about (\d+) GPU hours", CONFIG)
    assert total is not None
    assert sum(map(int, re.findall(r"\| (\d+) h \|$", table, re.MULTILINE))) == int(total[1])


def test_the_time_of_the_default_profile_is_told_alike() -> None:
    assert "| 3 minutes on two CPU cores" in CONFIG
    assert "about three minutes" in CONFIG[CONFIG.index("## `smoke.yaml`") :]


def test_the_example_in_the_readme_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    found: dict[str, object] = {}
    exec(example, found)
    assert 0 < float(found["loss"]) < 1  # type: ignore[arg-type]
    assert float(found["gamma"]) > 0  # type: ignore[arg-type]


def test_the_example_about_figures_of_ones_own_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/figures.md").read_text(), re.DOTALL)
    records = [make_record(seed=seed, value=value) for seed, value in ((0, 80.0), (1, 90.0))]
    collect(write_runs(tmp_path / "runs", records), tmp_path / "results/collected/smoke")
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert re.search(r"digits +simclr +top1 +85\.0", capsys.readouterr().out)


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)]+)\)", README))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked
