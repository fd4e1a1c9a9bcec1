"""Evaluation of a run: its records, the data it needs, and reasons for missing values."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.artifacts import Record, read_records
from care_bench.artifacts.evaluated import read_evaluated
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation.measurement import Measurement, Metric, Protocol
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.protocols.certificate import NO_SPAN
from care_bench.evaluation.run import evaluate, evaluate_unless_current
from care_bench.files import sha256_file
from care_bench.models import Encoder
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import pretrain
from tests.evaluation.test_embed import Linear

ROOT = Path(__file__).parents[2]
SETTINGS = EvaluationConfig(augmentations=4, classifier_seeds=2, batch_size=100)


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    folders = {}
    for dataset in ("digits", "proteins"):
        preset: dict[str, Any] = load_preset(dataset)
        preset["encoder"]["backbone"]["width"] = 4
        preset["training"].update({"steps": 3, "batch_size": 32, "warmup_epochs": 0})
        care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3, "fidelity": "released-code"}
        identity = {"profile": "tiny", "dataset": dataset, "variant": "tiny", "seed": 3}
        config = RunConfig.parse({**identity, "method": care, **preset}, "here")
        folders[dataset] = pretrain(config, data, tmp_path_factory.mktemp(dataset) / "run")
    return folders


@pytest.fixture(scope="module")
def evaluations(runs: dict[str, RunFolder], data: Path) -> dict[str, list[Record]]:
    return {name: evaluate(folder.path, data, SETTINGS) for name, folder in runs.items()}


def value(records: list[Record], metric: str, representation: str) -> float:
    (found,) = (record for record in records if (record.metric, record.representation) == (metric, representation))
    assert found.value is not None
    return found.value


def test_every_metric_of_both_representations_has_one_record(evaluations: dict[str, list[Record]]) -> None:
    expected = sorted(
        (protocol.id, metric.name, representation)
        for protocol in PROTOCOLS.values()
        for metric in protocol.metrics
        for representation in protocol.representations
    )
    for records in evaluations.values():
        assert sorted((r.protocol, r.metric, r.representation) for r in records) == expected


def test_a_metric_that_does_not_apply_is_a_blank_with_a_reason(evaluations: dict[str, list[Record]]) -> None:
    reasons = {
        name: {record.metric: record.reason for record in records if record.value is None}
        for name, records in evaluations.items()
    }
    clouds, tint = "digits holds images, not point clouds", "has no label tint: the colour that made an image"
    gray = "images of one channel have no colour"
    still = "{} does not change these samples"
    smooth = "{} does not act on these samples"
    assert reasons["digits"] == {
        **dict.fromkeys(("predicted_saturation", "predicted_hue"), gray),
        "predicted_rotation": "the augmentation does not rotate images",
        **dict.fromkeys(("profile_hue", "profile_hue_angle"), still.format("hue")),
        **dict.fromkeys(("lie_saturation", "lie_saturation_unexplained"), smooth.format("saturation")),
        "top1": "this recipe is for imagenet100, not for digits",
        "retrieval_tint_distance": f"digits {tint}",
        "colour_r2": "digits holds no images in colour",
        "term_deviation": "3 steps of training; expected at least 20",
        **dict.fromkeys(("first_pc_r2", "first_pc_angle"), clouds),
        **dict.fromkeys(("trajectory_planarity", "trajectory_step_variation"), clouds),
        **dict.fromkeys(("trajectory_group_residual", "trajectory_closure"), clouds),
    }
    blank = {record.protocol for record in evaluations["digits"] if record.value is None}
    released = [record for record in evaluations["digits"] if record.protocol == "released-small-v1"]
    assert [record.reason for record in released] == ["not asked for: evaluation.augmented_probe is false"]
    probes = {"paper-imagenet100-v1", "released-small-v1", "augmented-imagenet100-v1"}
    partly = {"augmentation-prediction-v1", "augmentation-profile-v1", "lie-derivative-v1"}
    assert blank == {*probes, *partly, "retrieval-v1", "first-pc-v1", "trajectories-v1", "gradient-ratio-v1"}
    flat, colours = ("hue", "crop", "blur", "flip"), ("brightness", "contrast", "saturation")
    factors = ("crop_x", "crop_y", "crop_size", *colours, "hue", "blur", "rotation")
    assert reasons["proteins"] == {
        **{f"predicted_{name}": "proteins holds no images" for name in factors},
        **{f"profile_{name}{ending}": still.format(name) for name in flat for ending in ("", "_angle")},
        **{
            f"lie_{name}{ending}": smooth.format(name)
            for name in ("translation", "scale", *colours)
            for ending in ("", "_unexplained")
        },
        "top1": "proteins has no class labels",
        "retrieval_tint_distance": f"proteins {tint}",
        "colour_r2": "proteins holds no images in colour",
        "term_deviation": "3 steps of training; expected at least 20",
        **dict.fromkeys(("certificate_condition", "certificate_printed_bound"), NO_SPAN),  # hardly trained at all
    }


def test_repeats_are_counted(evaluations: dict[str, list[Record]]) -> None:
    counted = {(record.protocol, record.metric): record.n for record in evaluations["digits"]}
    assert counted["paper-small-v1", "top1"] == 2
    assert counted["cached-v1", "top1"] == 1
    assert counted["wahba-v1", "wahba_error"] == counted["cosine-v1", "cosine_mean"] == 4
    assert counted["alignment-uniformity-v1", "alignment"] == 2
    assert counted["retrieval-v1", "retrieval_overlap"] == 4
    assert counted["positive-cosine-v1", "positive_cosine_50"] == 2
    assert counted["composition-v1", "composition_error"] == 4
    turned = {record.metric: record.n for record in evaluations["proteins"]}
    assert turned["trajectory_planarity"] == turned["trajectory_step_variation"] == 9  # three clouds, three axes
    # Three axes; half of 24 clouds about each.
    assert (turned["trajectory_group_residual"], turned["trajectory_closure"]) == (3, 36)


def test_repeats_are_kept_if_the_value_is_their_mean(evaluations: dict[str, list[Record]]) -> None:
    for dataset, records in evaluations.items():
        repeated = [record for record in records if record.values is not None]
        assert {(record.protocol, record.metric) for record in repeated} == {
            *[("paper-small-v1", "top1")] * (dataset == "digits"),
            *(("wahba-v1", f"wahba_error{name}") for name in ("", "_per_sample", "_orthogonal")),
            *(("cosine-v1", f"cosine_{name}") for name in ("mean", "variance", "opposed")),
            *(("positive-cosine-v1", "positive_cosine_mean"), ("alignment-uniformity-v1", "alignment")),
            *(("composition-v1", "composition_error"), ("retrieval-v1", "retrieval_overlap")),
            *(("certificate-v1", f"certificate_{name}") for name in ("loss", "admissible", "bound", "rank")),
            *(("certificate-v1", f"certificate_{name}") for name in ("error", "held_out_error")),
            *[("certificate-v1", f"certificate_{name}") for name in ("condition", "printed_bound")]
            * (dataset == "digits"),
            ("gradient-ratio-v1", "gradient_ratio"),
            *(("held-out-wahba-v1", f"held_out_{name}") for name in ("wahba", "linear", "identity")),
            *(("equivariant-retrieval-v1", f"transformed_{name}") for name in ("mrr", "hit_1", "hit_5")),
            *(("augmentation-profile-v1", f"profile_rotation{ending}") for ending in ("", "_angle")),
            *[
                ("augmentation-profile-v1", f"profile_{name}{ending}")
                for name in ("crop", "blur")
                for ending in ("", "_angle")
            ]
            * (dataset == "digits"),
            *[
                ("lie-derivative-v1", f"lie_{'translation' if dataset == 'digits' else 'rotation'}{ending}")
                for ending in ("", "_unexplained")
            ],
            *[
                ("trajectories-v1", f"trajectory_{name}")
                for name in ("planarity", "step_variation", "group_residual", "closure")
            ]
            * (dataset == "proteins"),
        }
        worst = {record.representation: record.value for record in records if record.metric == "wahba_error_worst"}
        for found in repeated:
            assert found.values is not None
            assert len(found.values) == found.n
            assert found.value == pytest.approx(np.mean(found.values), rel=1e-12, abs=1e-15)
            assert found.spread == pytest.approx(np.std(found.values, ddof=1), rel=1e-9, abs=1e-12)
            if found.metric == "wahba_error":
                assert max(found.values) == pytest.approx(worst[found.representation], rel=1e-6)


def test_evaluating_again_gives_the_same_numbers(
    runs: dict[str, RunFolder], data: Path, evaluations: dict[str, list[Record]]
) -> None:
    def numbers(records: list[Record]) -> list[object]:
        return [(record.identity, record.value, record.values, record.spread, record.reason) for record in records]

    assert numbers(evaluate(runs["proteins"].path, data, SETTINGS)) == numbers(evaluations["proteins"])


def test_records_carry_identity_and_provenance(
    runs: dict[str, RunFolder], data: Path, evaluations: dict[str, list[Record]]
) -> None:
    records, summary = evaluations["digits"], runs["digits"].read_summary()
    assert summary is not None
    for record in records:
        assert (record.profile, record.dataset, record.variant, record.seed) == ("tiny", "digits", "tiny", 3)
        assert (record.method, record.base, record.fidelity) == ("care", "simclr", "released-code")
        assert record.backbone == "convnet"
        assert record.config_sha256 == summary.config_sha256
        assert record.data_sha256 == load("digits", data).sha256
        assert record.weights_sha256 == summary.weights_sha256
        assert record.device.startswith(("cpu: ", "cuda: "))
        assert record.environment["torch"]
        assert record.environment["tf32"] == "off"
    assert len({record.id for record in records}) == len(records)
    behind = {record.metric: record for record in records if record.protocol in ("wahba-v1", "paper-small-v1")}
    assert [len(behind[name].values or ()) for name in ("wahba_error", "top1", "wahba_error_worst")] == [4, 2, 0]
    assert {record.samples for record in records} == {None}
    (under,) = {record.evaluation for record in records}
    assert json.loads(under or "")["augmentation"]["crop_scale"] == [0.5, 1.0], "the run's own augmentation"


def test_a_run_on_other_data_is_not_measured(runs: dict[str, RunFolder], data: Path, tmp_path: Path) -> None:
    summary = (runs["digits"].path / "pretrain.json").read_text()
    copy = tmp_path / "run"
    copy.mkdir()
    for path in runs["digits"].path.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    digest = load("digits", data).sha256
    (copy / "pretrain.json").write_text(summary.replace(digest, "0" * 64))
    with pytest.raises(CareBenchError, match="was trained on data 000000000000, but"):
        evaluate(copy, data, SETTINGS)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_are_an_error(
    bad: float, runs: dict[str, RunFolder], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Diverged(Linear):
        def features(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().features(inputs) * bad

    monkeypatch.setattr("care_bench.evaluation.run.build_run_encoder", lambda config, dataset: Diverged())
    monkeypatch.setattr("care_bench.evaluation.run.load_encoder_weights", lambda encoder, path, config: None)
    with pytest.raises(
        CareBenchError, match=r"run proteins/tiny/seed3: \d+ projection rows of the test samples are not"
    ):
        evaluate(runs["proteins"].path, data, SETTINGS, tmp_path / "records.jsonl")


def test_undefined_metrics_of_a_collapsed_encoder_are_blanks(
    runs: dict[str, RunFolder], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Collapsed(Linear):
        def features(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(inputs), 5)

    monkeypatch.setattr("care_bench.evaluation.run.build_run_encoder", lambda config, dataset: Collapsed())
    monkeypatch.setattr("care_bench.evaluation.run.load_encoder_weights", lambda encoder, path, config: None)
    records = evaluate(runs["proteins"].path, data, SETTINGS, tmp_path / "records.jsonl")
    gamma = next(record for record in records if record.metric == "gamma")
    assert gamma.value is None
    assert gamma.reason == "undefined on these embeddings: nan"
    assert value(records, "invariance", "projection") == 0
    assert value(records, "wahba_error", "projection") == pytest.approx(0, abs=1e-5)
    assert value(records, "uniformity", "projection") == pytest.approx(1, abs=1e-5)


def test_only_the_parts_that_a_protocol_needs_are_embedded(
    runs: dict[str, RunFolder], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wahba = PROTOCOLS["wahba-v1"]
    monkeypatch.setattr("care_bench.evaluation.run.PROTOCOLS", {wahba.id: wahba})
    seen: list[int] = []
    features = Encoder.features

    def counted(encoder: Encoder, inputs: torch.Tensor) -> torch.Tensor:
        seen.append(len(inputs))
        return features(encoder, inputs)

    monkeypatch.setattr(Encoder, "features", counted)
    records = evaluate(runs["digits"].path, data, SETTINGS, tmp_path / "records.jsonl")
    assert len(records) == 2 * len(wahba.metrics)
    # The 360 test images, plain and under four augmentations, once for both representations.
    assert sum(seen) == 360 * (1 + 4)


FEW = SETTINGS.model_copy(update={"samples": 64})


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
    assert read_evaluated(tmp_path / "mine.jsonl") == records
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
