"""Evaluating a run that has been evaluated: when its records are current, and where new ones may go."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from care_bench.artifacts import code_version, environment, read_records
from care_bench.artifacts.evaluated import read_evaluated
from care_bench.errors import CareBenchError
from care_bench.evaluation.measurement import Measurement, Metric, Protocol
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.run import evaluate, evaluate_unless_current
from care_bench.files import sha256_file, write_json
from care_bench.runs.folder import RunFolder
from tests.evaluation.conftest import SETTINGS

ROOT = Path(__file__).parents[2]
FEW = SETTINGS.model_copy(update={"samples": 64})


@pytest.fixture(scope="module", autouse=True)
def _two_protocols() -> Iterator[None]:
    """Measure under two protocols only: which ones decides nothing here."""
    few = {name: PROTOCOLS[name] for name in ("wahba-v1", "knn-v1")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("care_bench.evaluation.run.PROTOCOLS", few)
        yield


@pytest.fixture(scope="module")
def evaluated_once(runs: dict[str, RunFolder], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(runs["digits"].path, tmp_path_factory.mktemp("evaluated") / "run"))
    evaluate(folder, data, FEW)
    return folder


@pytest.fixture
def evaluated(evaluated_once: Path, tmp_path: Path) -> RunFolder:
    """A copy of a run that has been evaluated on a few samples."""
    return RunFolder(Path(shutil.copytree(evaluated_once, tmp_path / "run")))


def test_current_records_are_known(evaluated: RunFolder, data: Path) -> None:
    assert evaluate_unless_current(evaluated.path, data, FEW) is None
    speed = FEW.model_copy(update={"batch_size": 7})
    assert evaluate_unless_current(evaluated.path, data, speed) is None, "the batch size does not change the numbers"
    assert evaluate_unless_current(evaluated.path, data, FEW.model_copy(update={"classifier_seeds": 3}))


def test_records_say_what_was_another_in_the_training(evaluated: RunFolder, data: Path) -> None:
    here = read_records(evaluated.records)[0]
    assert not [key for key in here.environment if key.startswith("trained_")]
    assert (here.trained_by, here.trained_on) == (here.code_version, here.device)
    summary = json.loads(evaluated.summary.read_text())
    assert summary["code_version"] == code_version()
    assert summary["environment"] == environment()
    elsewhere = {**summary["environment"], "numpy": "1.0"}
    other = {"code_version": "0.0.1+g0", "device": "cuda: other", "environment": elsewhere}
    write_json(evaluated.summary, {**summary, **other})
    for record in evaluate(evaluated.path, data, FEW):
        assert (record.trained_by, record.trained_on) == ("0.0.1+g0", "cuda: other")
        assert {key: value for key, value in record.environment.items() if key.startswith("trained_")} == {
            "trained_code_version": "0.0.1+g0",
            "trained_device": "cuda: other",
            "trained_numpy": "1.0",
        }
        assert (record.device, record.code_version) == (here.device, here.code_version)


@pytest.mark.parametrize(
    "change", ["edited record", "no summary", "cut summary", "deep summary", "other code", "other package"]
)
def test_records_are_measured_again_if_anything_they_depend_on_has_changed(
    change: str, evaluated: RunFolder, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_records(evaluated.records)
    match change:
        case "edited record":
            text = evaluated.records.read_text()
            evaluated.records.write_text(text.replace('"n":1,', '"n":2,', 1))
        case "no summary":
            evaluated.evaluation.unlink()
        case "cut summary":
            evaluated.evaluation.write_bytes(evaluated.evaluation.read_bytes()[:40])
        case "deep summary":
            evaluated.evaluation.write_text("[" * 100_000)
        case "other code":
            monkeypatch.setattr("care_bench.evaluation.inputs.sha256_tree", lambda folder, pattern: "0" * 64)
        case "other package":
            monkeypatch.setattr("care_bench.evaluation.inputs.environment", lambda: {"torch": "0"})
    assert evaluate_unless_current(evaluated.path, data, FEW)
    monkeypatch.undo()
    again = evaluate(evaluated.path, data, FEW)
    assert evaluate_unless_current(evaluated.path, data, FEW) is None
    assert [record.value for record in again] == [record.value for record in records]


def test_records_elsewhere_have_their_summary_beside_them(evaluated: RunFolder, data: Path, tmp_path: Path) -> None:
    records = evaluate(evaluated.path, data, FEW, tmp_path / "mine.jsonl")
    assert read_evaluated(tmp_path / "mine.jsonl").records == records
    summary = json.loads((tmp_path / "mine.evaluate.json").read_text())
    assert summary["records_sha256"] == sha256_file(tmp_path / "mine.jsonl")
    assert summary == {**json.loads(evaluated.evaluation.read_text()), "records_sha256": summary["records_sha256"]}
    assert evaluate_unless_current(evaluated.path, data, FEW) is None, "the run's own records are as they were"


def test_the_files_of_a_run_are_not_replaced_by_records(
    evaluated: RunFolder, runs: dict[str, RunFolder], data: Path
) -> None:
    others = runs["proteins"]
    for out in (evaluated.config, evaluated.log, evaluated.encoder, evaluated.summary, others.records):
        before = out.read_bytes() if out.exists() else None
        with pytest.raises(
            CareBenchError, match=rf"{out} is a file of the run in .*; expected another name for records"
        ):
            evaluate(evaluated.path, data, FEW, out)
        assert (out.read_bytes() if out.exists() else None) == before


def test_an_evaluation_waits_for_another_of_the_same_run(
    evaluated: RunFolder, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import sys, time; from pathlib import Path; from care_bench.files import locked\n"
    code += "with locked(Path(sys.argv[1])): print(flush=True); time.sleep(1)"
    command = [sys.executable, "-c", code, str(evaluated.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert evaluate_unless_current(evaluated.path, data, FEW) is None
        assert f"waiting for process {other.pid} (" in capsys.readouterr().err
    (evaluated.path / "pretrain.json").unlink()
    with pytest.raises(CareBenchError, match="holds no finished run"):
        evaluate_unless_current(evaluated.path, data, FEW)


def test_a_measurement_that_contradicts_itself_is_one_line(
    evaluated: RunFolder, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = Metric("mine", "1", None)
    wrong = Protocol(
        "mine-v1", 1, (metric,), lambda dataset: None, lambda embedded: (Measurement(3.0, 2, values=(1, 2)),)
    )
    monkeypatch.setattr("care_bench.evaluation.run.PROTOCOLS", {wrong.id: wrong})
    with pytest.raises(
        CareBenchError, match=r"protocol 'mine-v1', metric 'mine': found value 3\.0, but the mean of its 2"
    ):
        evaluate(evaluated.path, data, FEW)


def test_records_that_cannot_be_written_are_refused_before_the_work(
    evaluated: RunFolder, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("care_bench.evaluation.run.Task.open", lambda *_: pytest.fail("the work has begun"))
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path, tmp_path / "file" / "x.jsonl", tmp_path / "file" / "below" / "x.jsonl"):
        with pytest.raises(CareBenchError, match=rf"cannot write {out}; expected a file in a folder"):
            evaluate(evaluated.path, data, FEW, out)
    assert (tmp_path / "file").read_text() == "mine"
