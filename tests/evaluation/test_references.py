"""Reference rows: what replaces the embeddings, and that nothing is trained for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from care_bench.augmentations import ImageAugmentation
from care_bench.config import METHOD_SETTINGS, EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import PreparedDataset, Split, load
from care_bench.errors import CareBenchError
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.embedded import Embedded
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.evaluation.records import measure
from care_bench.evaluation.references import EMBEDDERS
from care_bench.evaluation.run import evaluate
from care_bench.names import UNINFORMED, Reference
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.randomness import generator
from care_bench.runs.weights import load_encoder_weights
from care_bench.training.pretrain import pretrain

SETTINGS = EvaluationConfig(augmentations=3, classifier_seeds=1)
Make = Callable[[Reference, str], Embedder]


def configured(method: str, dataset: str, seed: int = 0) -> RunConfig:
    preset = load_preset(dataset)
    preset["encoder"] = {
        "backbone": {**preset["encoder"]["backbone"], "width": 4},
        "projector": {"hidden": [8], "output": 6},
    }
    identity = {"profile": "references", "dataset": dataset, "variant": method, "seed": seed}
    return RunConfig.parse({**identity, "method": {"name": method}, **preset}, "a test")


@pytest.fixture(scope="module")
def embedder(data: Path) -> Make:
    def make(reference: Reference, dataset: str) -> Embedder:
        run, prepared = configured(reference, dataset), load(dataset, data)
        augmentation = build_augmentation(run.augmentation, prepared, "a test")
        kind = EMBEDDERS.get(reference, Embedder)
        few = SETTINGS.model_copy(update={"samples": 60})
        return kind(build_run_encoder(run, prepared), augmentation, prepared, few, torch.device("cpu"))

    return make


def value(embedded: Embedded, protocol: str, metric: str) -> float:
    names = [one.name for one in PROTOCOLS[protocol].metrics]
    found = dict(zip(names, measure(PROTOCOLS[protocol], embedded), strict=True))[metric].value
    assert found is not None
    return found


@pytest.mark.parametrize("dataset", ["digits", "proteins"])
@pytest.mark.parametrize("representation", ["projection", "features"])
def test_the_oracle_rotates_the_embeddings(dataset: str, representation: Any, embedder: Make) -> None:
    own = embedder("untrained", dataset).embedded(representation)
    oracle = embedder("oracle", dataset).embedded(representation)
    assert torch.equal(oracle.test, own.test)
    before, after = oracle.test.double().numpy(), oracle.augmented.double().numpy()
    for copy in after:
        np.testing.assert_allclose(copy @ copy.T, before @ before.T, atol=1e-4 * np.abs(before @ before.T).max())
        assert np.abs(copy - before).max() > 0.1 * np.abs(before).max()
    error, composition = value(oracle, "wahba-v1", "wahba_error"), value(oracle, "composition-v1", "composition_error")
    gamma = value(oracle, "relative-equivariance-v1", "gamma")
    assert max(error, composition, gamma) < 1e-4


@pytest.mark.parametrize("dataset", ["digits", "proteins"])
def test_held_out_measures_have_their_ceiling_and_floor(dataset: str, embedder: Make) -> None:
    oracle, shuffled, random = (
        embedder(row, dataset).embedded("projection") for row in ("oracle", "shuffled", "random")
    )
    for protocol, metric in (("held-out-wahba-v1", "held_out_wahba"), ("augmentation-profile-v1", "profile_rotation")):
        assert value(oracle, protocol, metric) < 1e-2
        assert value(shuffled, protocol, metric) > 0.5
        assert value(random, protocol, metric) > 0.9
    # of untrained proteins some embeddings are alike, and ties count against the target
    assert value(oracle, "equivariant-retrieval-v1", "transformed_mrr") > 0.5
    chance = math.log(len(random.test) / 2) / (len(random.test) / 2)
    assert value(random, "equivariant-retrieval-v1", "transformed_mrr") < 4 * chance
    assert value(oracle, "lie-derivative-v1", "lie_rotation_unexplained") < 1e-2
    assert value(shuffled, "lie-derivative-v1", "lie_rotation_unexplained") > 0.8
    reasons = [one.reason for one in measure(PROTOCOLS["lie-derivative-v1"], random)]
    assert reasons == ["random embeddings have no derivative"] * len(reasons)


def test_the_draws_of_single_samples_are_read_from_no_reference_row_without_information(embedder: Make) -> None:
    protocol = PROTOCOLS["augmentation-prediction-v1"]
    names = [metric.name for metric in protocol.metrics]
    for row in ("random", "shuffled"):
        found = dict(zip(names, measure(protocol, embedder(row, "digits").embedded("features")), strict=True))
        crop = found["predicted_crop_x"].value
        assert crop is not None and crop < 0.2  # noqa: PT018
    (first, *_) = measure(protocol, embedder("oracle", "digits").embedded("features"))
    assert first.value is None


def test_the_oracle_turns_trajectories_at_constant_speed(embedder: Make) -> None:
    oracle = embedder("oracle", "proteins").embedded("projection")
    steps = (oracle.trajectories.roll(-1, dims=2) - oracle.trajectories).norm(dim=-1)
    assert torch.allclose(steps, steps.mean(dim=2, keepdim=True), rtol=1e-3)
    planarity = value(oracle, "trajectories-v1", "trajectory_planarity")
    assert planarity == pytest.approx(100, abs=1e-3)
    assert value(oracle, "trajectories-v1", "trajectory_group_residual") < 1e-2
    assert value(oracle, "trajectories-v1", "trajectory_closure") < 1e-2
    for row in ("random", "shuffled"):
        other = embedder(row, "proteins").embedded("projection")
        assert value(other, "trajectories-v1", "trajectory_group_residual") > 0.5


def test_shuffled_views_are_those_of_other_samples(embedder: Make) -> None:
    own = embedder("untrained", "digits").embedded("features")
    shuffled = embedder("shuffled", "digits").embedded("features")
    assert torch.equal(shuffled.test, own.test)
    orders = []
    for copy, before in zip(shuffled.augmented, own.augmented, strict=True):
        order = torch.cdist(copy.double(), before.double()).argmin(dim=1)
        assert sorted(order.tolist()) == list(range(len(before)))
        assert (order != torch.arange(len(before))).all()
        orders.append(order)
    assert not torch.equal(orders[0], orders[1])


def test_random_embeddings_are_unit_vectors_unrelated_to_each_other(embedder: Make) -> None:
    random = embedder("random", "digits").embedded("features")
    rows = torch.cat([random.test, random.train, random.augmented.flatten(0, 1)]).double()
    assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows), dtype=torch.float64), atol=1e-5)
    cosines = (rows @ rows.mT)[~torch.eye(len(rows), dtype=torch.bool)]
    assert abs(float(cosines.mean())) < 0.01
    # the variance of the cosine of independent directions in R^d is 1/d
    assert float(cosines.var()) == pytest.approx(1 / rows.shape[1], rel=0.1)


def test_constant_embeddings_have_no_spread_and_say_where_a_metric_is_undefined(embedder: Make) -> None:
    constant = embedder("constant", "digits").embedded("projection")
    assert value(constant, "wahba-v1", "wahba_error") == 0
    assert value(constant, "alignment-uniformity-v1", "uniformity") == pytest.approx(1)
    (gamma, *_) = measure(PROTOCOLS["relative-equivariance-v1"], constant)
    assert gamma.value is None
    assert gamma.reason


@pytest.mark.parametrize("reference", ["random", "constant", "shuffled", "oracle"])
def test_inputs_stay_and_draws_repeat(reference: Reference, embedder: Make) -> None:
    first, again = (embedder(reference, "proteins").embedded("projection") for _ in range(2))
    own = embedder("untrained", "proteins").embedded("projection")
    assert torch.equal(first.test_clouds, own.test_clouds)
    parts: list[Callable[[Embedded], Tensor]] = [
        lambda embedded: embedded.augmented,
        lambda embedded: embedded.composed,
        lambda embedded: embedded.train_augmented,
        lambda embedded: embedded.trajectories,
    ]
    for part in parts:
        assert torch.equal(part(first), part(again))
        assert part(first).shape == part(own).shape
        assert not torch.equal(part(first), part(own))


@pytest.mark.parametrize("dataset", ["digits", "proteins"])
def test_raw_inputs_are_the_views_themselves(dataset: str, embedder: Make) -> None:
    made = embedder("raw", dataset)
    inputs = torch.from_numpy(np.array(made.dataset.test.inputs))
    views = made.augmentation.identity(inputs).flatten(1)
    features, projection = (made.embedded(one) for one in ("features", "projection"))
    assert torch.equal(features.test, views)
    torch.testing.assert_close(projection.test, views / views.norm(dim=1, keepdim=True), rtol=1e-6, atol=1e-7)
    draw = made.augmentation.sample(3, generator(dataset, SETTINGS.augmentation_seed, "test augmentations"))[1]
    moved = torch.cat([made.augmentation.apply(one[None], draw) for one in inputs]).flatten(1)
    torch.testing.assert_close(features.augmented[1], moved, rtol=1e-5, atol=1e-5)
    assert made.encoder.feature_dimension == views.shape[1]


def test_raw_images_are_averaged_down_to_sixteen_pixels() -> None:
    """A board of 2 x 2 pixels of one brightness each: every average is of one square."""
    board = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), dtype=np.uint8)
    images = board.repeat(2, axis=2).repeat(2, axis=3)
    split = Split(images, {"class": np.zeros(6, dtype=np.int64)})
    data = PreparedDataset("boards", "image", {}, split, split, "0" * 64, [0.5] * 3, [0.25] * 3)
    view = ImageAugmentation(input_size=(32, 32), size=(32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)
    made = EMBEDDERS["raw"](nn.Identity(), view, data, SETTINGS, torch.device("cpu"))  # type: ignore[arg-type]
    expected = torch.from_numpy((board.reshape(6, -1) / 255 - 0.5) / 0.25).float()
    torch.testing.assert_close(made.embedded("features").test, expected, rtol=1e-5, atol=1e-5)
    assert made.encoder.feature_dimension == 3 * 16 * 16


def test_random_embeddings_of_two_runs_differ(data: Path) -> None:
    """A run of another seed has draws of its own, so that the spread over seeds is that of the metric."""
    prepared, found = load("digits", data), []
    for seed in (0, 0, 1):
        run = configured("random", "digits", seed=seed)
        view = build_augmentation(run.augmentation, prepared, "a test")
        encoder = build_run_encoder(run, prepared)
        kind = EMBEDDERS["random"]
        found.append(kind(encoder, view, prepared, SETTINGS, torch.device("cpu"), f"run {run.id}").embedded("features"))
    assert torch.equal(found[0].test, found[1].test)
    assert not torch.equal(found[0].test, found[2].test)


def test_a_run_keeps_its_initial_weights_and_is_measured(data: Path, tmp_path: Path) -> None:
    run = configured("random", "proteins", seed=3)
    folder = pretrain(run, data, tmp_path / "run")
    summary = folder.check(run)
    assert summary.steps == 0
    assert folder.log.read_bytes() == b""
    initial, kept = (build_run_encoder(run, load("proteins", data)) for _ in range(2))
    for weights in kept.parameters():
        weights.data.zero_()
    load_encoder_weights(kept, folder.encoder, run.sha256())
    assert all(torch.equal(kept.state_dict()[name], weights) for name, weights in initial.state_dict().items())
    records = {record.metric: record for record in evaluate(folder.path, data, SETTINGS)}
    assert records["wahba_error_per_sample"].value == pytest.approx(1.2, abs=0.3)
    assert records["wahba_error"].method == "random"


def test_no_method_wraps_a_reference_row() -> None:
    care = {"name": "care", "base": {"name": "untrained"}, "splits": 4, "weight": 1.0}
    with pytest.raises(CareBenchError, match="untrained"):
        METHOD_SETTINGS["care"].parse(care, "a test")


def test_every_reference_row_is_a_method() -> None:
    found = {entry.reference for entry in METHOD_SETTINGS.data.values() if entry.reference}
    assert found == {*EMBEDDERS, "untrained"}
    assert set(UNINFORMED) < found
