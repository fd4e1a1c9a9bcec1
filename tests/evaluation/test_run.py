"""Evaluation of a run: its records, the data it needs, and reasons for missing values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from care_bench.artifacts import Record
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.protocols.certificate import NO_SPAN
from care_bench.evaluation.run import evaluate
from care_bench.models import Encoder
from care_bench.runs.folder import RunFolder
from tests.evaluation.conftest import SETTINGS
from tests.evaluation.test_embed import Linear


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


COLOUR = ("retrieval_hue_overlap", "retrieval_hue_followed", "colour_r2")


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
        **dict.fromkeys(COLOUR, "digits holds no images in colour"),
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
        **dict.fromkeys(COLOUR, "proteins holds no images in colour"),
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
    assert gamma.reason == "no draw moves the embeddings by more than rounding"
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
