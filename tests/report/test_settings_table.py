"""The table of settings in every format; an error writes nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from care_bench.config import Profile, parse_profile
from care_bench.errors import CareBenchError
from care_bench.report.settings_table import write_settings
from tests.report.page import Page

ROOT = Path(__file__).parents[2]
HEADER = "dataset,method,key,paper,released_code,note,ours_fixed,why_fixed"
FACTS = (
    'digits,*,training.optimizer.learning_rate,0.0010,,"text, page 1",,',
    "digits,*,training.optimizer.weight_decay,0.000001,,text,,",
    "digits,*,encoder.projector.hidden,[64],[64],text,,",
    "digits,*,training.epochs,7,,text,,",
    "digits,care/*,method.weight,0.01,0.03,text,,",
    "digits,care/*,method.weight,,,Fig. 7,,",
    "digits,care/*,method.splits,8,,text,,",
    'digits,care/* equivariance,method.sharing,"""chunk""","""batch""",Algorithm 1,,',
    "digits,simclr,method.temperature,,0.5,release,,",
    "*,*,seeds,,,not printed,,",
    "digits,*,(probe),[30],,text | <b>,[30.0],",
    'digits,*,(hardware),"""4 V100""",,text,"""one GPU""",one is enough',
    "cifar10,*,training.epochs,400,,text,,",
)
PROFILE: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0, 1],
    "datasets": {
        "digits": {
            "preset": "digits",
            "training": {
                "epochs": 5,
                "batch_size": 64,
                "optimizer": {"name": "adam", "learning_rate": 0.001, "weight_decay": 1e-6},
            },
            "encoder": {"projector": {"hidden": [64], "output": 32}},
            "why": {"training.epochs": "smaller *images*", "method.weight": "a grid of ours"},
            "methods": {
                "simclr": {"name": "simclr"},
                "care": {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 0.01},
                "care-strong": {"name": "care", "base": {"name": "simclr"}, "splits": 8, "weight": 1},
                "care-code": {
                    "name": "care",
                    "base": {"name": "simclr"},
                    "splits": 8,
                    "weight": 0.03,
                    "fidelity": "released-code",
                },
            },
        },
        "tinted_digits": {"preset": "tinted_digits", "methods": {"simclr": {"name": "simclr"}}},
    },
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return with_facts(tmp_path, *FACTS)


@pytest.fixture
def profile() -> Profile:
    return parse_profile(PROFILE, "here")


def with_facts(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "reference" / "paper_settings.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return folder


def written(profile: Profile, results: Path, suffix: str, width: int = 160) -> str:
    shown = Console(file=io.StringIO(), width=width)
    files = {path.name: path for path in write_settings(profile, results, results / "out", shown)}
    assert sorted(files) == ["settings.csv", "settings.html", "settings.md"]
    return files[f"settings.{suffix}"].read_text(encoding="utf-8")


def test_csv_has_one_line_per_value_with_its_variants(profile: Profile, results: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(written(profile, results, "csv"))))
    every = "simclr care care-strong care-code"
    assert [(row["key"], row["ours"], row["verdict"], row["why"], row["rows"]) for row in rows] == [
        ("method.weight", "0.01", "as the paper", "", "care"),
        ("method.weight", "1", "not printed", "a grid of ours", "care-strong"),
        ("method.weight", "0.03", "as the released code", "", "care-code"),
        ("method.splits", "16", "differs", "no reason given", "care"),
        ("method.splits", "8", "as the paper", "", "care-strong care-code"),
        ("method.sharing", '"chunk"', "as the paper", "", "care care-strong"),
        ("method.sharing", '"batch"', "as the released code", "", "care-code"),
        ("method.temperature", "0.5", "as the released code", "", "simclr"),
        ("encoder.projector.hidden", "[64]", "as the paper", "", every),
        ("training.optimizer.learning_rate", "0.001", "as the paper", "", every),
        ("training.optimizer.weight_decay", "1e-06", "as the paper", "", every),
        ("training.epochs", "5", "differs", "smaller *images*", every),
        ("seeds", "[0, 1]", "not printed", "no reason given", every),
        ("(probe)", "[30]", "as the paper", "", every),
        ("(hardware)", '"one GPU"', "differs", "one is enough", every),
    ]
    assert {(row["profile"], row["dataset"]) for row in rows} == {("tiny", "digits")}
    assert rows[0]["paper"] == "0.01"
    assert rows[0]["released_code"] == "0.03"


def test_markdown_is_grouped_and_escaped(profile: Profile, results: Path) -> None:
    text = written(profile, results, "md")
    assert re.findall(r"^##+ (.*)", text, re.M) == [
        *("digits", "differs", "not printed", "as the released code", "as the paper"),
        "tinted_digits",
    ]
    assert "differs: 3; not printed: 2; as the released code: 3; as the paper: 7." in text
    assert text.endswith("## tinted_digits\n\nNot a data set of the paper.\n")
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if "|" in line]
    assert ["`training.epochs`", "7", "–", "5", r"smaller \*images\*", "all", "text"] in cells
    assert ["`(hardware)`", "4 V100", "–", "one GPU", "one is enough", "all", "text"] in cells
    assert ["`(probe)`", r"\[30\]", "–", r"\[30\]", "all", r"text \| &lt;b&gt;"] in cells
    assert {len(row) for row in cells} == {6, 7}


def test_variants_are_named_by_the_shorter_list(results: Path) -> None:
    content = json.loads(json.dumps(PROFILE))
    methods = content["datasets"]["digits"]["methods"]
    methods |= {f"care-{number}": {**methods["care"], "splits": 8 if number < 5 else 4} for number in range(12)}
    facts = 'digits,care/*,method.representation,"""projection""",,text,,'
    text = written(parse_profile(content, "here"), with_facts(results, *FACTS, facts), "md")
    cells = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    found = {(row[1], row[4]): row[-3] for row in cells if len(row) > 7}
    assert found["`method.splits`", "16"] == "care"
    assert found["`method.splits`", "8"] == "care-strong, care-code, care-0, care-1, care-2, care-3, care-4"
    assert found["`method.sharing`", "chunk"] == "all but care-code"
    assert found["`method.sharing`", "batch"] == "care-code"
    assert found["`method.representation`", "projection"] == "all that have it"
    assert found["`seeds`", r"\[0, 1\]"] == "all"


def test_cut_runs_are_named(results: Path) -> None:
    text = written(parse_profile({**PROFILE, "steps": 2}, "here"), results, "md")
    assert text.startswith("# Settings of profile tiny-steps2 beside")
    assert "- Every run is cut to 2 steps" in text


def test_html_is_well_formed_and_has_the_same_content(profile: Profile, results: Path) -> None:
    page = Page(written(profile, results, "html"))
    assert page.links[0] == "#ui-main"
    assert [link for link in page.links if "--" not in link][1:] == ["#digits", "#tinted_digits"]
    assert [anchor for tag, anchor, _ in page.headings if tag == "h2"] == ["digits", "tinted_digits"]
    assert all(anchor for _, anchor, _ in page.headings)
    assert all(text in page.text for text in ("smaller *images*", "text | <b>", "one is enough", "4 V100", "all"))


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits_the_terminal(profile: Profile, results: Path, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    paths = write_settings(profile, results, results / "out", console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.partition("wrote")[0].splitlines())) <= width
    assert all(f"wrote {path}" in shown for path in paths)


def test_an_error_prints_and_writes_nothing(profile: Profile, results: Path) -> None:
    with_facts(results, *FACTS, "dgits,*,training.epochs,7,,text,,")
    console = Console(file=io.StringIO())
    with pytest.raises(CareBenchError):
        write_settings(profile, results, results / "out", console)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    assert not (results / "out").exists()


def test_settings_never_import_torch(results: Path, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))
    code = (
        "import sys; from pathlib import Path; from care_bench.config import read_profile\n"
        "from care_bench.report.settings_table import write_settings\n"
        "write_settings(read_profile(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))\n"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "profile.json"), str(results), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "smaller *images*" in done.stdout
