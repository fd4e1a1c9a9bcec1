"""Runs on halves of their test samples, against numpy on a plain forward pass of the weights in their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from care_bench.artifacts.resamples import Resampled, Resamples, read_resamples
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.claims import ClaimRules, parse_claims
from care_bench.config.presets import load_preset
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.evaluation import resamples as module
from care_bench.evaluation import resamples as resamples_module
from care_bench.evaluation.halves import halves
from care_bench.evaluation.resamples import resample
from care_bench.evaluation.run import evaluate
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.randomness import generator
from care_bench.training.pretrain import pretrain
from tests.commands import run_care_bench
from tests.evidence.made import claim, rules

SETTINGS = EvaluationConfig(augmentations=3, batch_size=77, classifier_seeds=2)
NUMBER = 4
MOVES = {"guards": {"movement": {"protocol": "relative-equivariance-v1", "metric": "invariance"}}}
GAMMA = {"metric": "gamma_median", "protocols": ["relative-equivariance-v1"], "epochs": [1, None]}
TOP1 = {"metric": "top1", "protocols": ["cached-v1", "paper-small-v1"], "representations": ["features"]}
TRAJECTORIES = {"datasets": ["proteins"], "protocols": ["trajectories-v1"]}
RULES = parse_claims(
    rules(
        claim({}, {**TOP1, "direction": "higher"}, id="C1"),
        claim({"of": "share_of_draws", "beyond": 0.9}, {"against": ["other"], "metric": "wahba_error_worst"}, id="C2"),
        claim({**GAMMA, "against": [], "matched": ["simclr", "other"]}, id="C7", **MOVES),
        claim({**TRAJECTORIES, "metric": "trajectory_step_variation"}, id="C9"),
        claim({"metric": "term_deviation", "protocols": ["gradient-ratio-v1"]}, id="C11"),
        profile="tiny",
        seeds=[3, 4, 5, 6, 7],
    ),
    "here",
)


def run_of(dataset: str, variant: str, seed: int, method: str = "simclr") -> RunConfig:
    preset: dict[str, Any] = load_preset(dataset)
    preset["encoder"]["backbone"]["width"] = 4
    preset["training"].update(
        {"epochs": 2, "batch_size": 32, "warmup_epochs": 0, "samples": 64, "snapshot_epochs": [1]}
    )
    identity = {"profile": "tiny", "dataset": dataset, "variant": variant, "seed": seed}
    return RunConfig.parse({**identity, "method": {"name": method}, **preset}, "here")


RUNS = [run_of("digits", "care", 3), run_of("digits", "unnamed", 3), run_of("digits", "care", 9)]
PROTEINS = run_of("proteins", "care", 3)


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pretrained runs; nothing is evaluated."""
    root = tmp_path_factory.mktemp("runs")
    for config in (*RUNS, PROTEINS):
        pretrain(config, data, root / config.id)
    return root


@pytest.fixture(scope="module")
def measured(folder: Path, data: Path) -> Resamples:
    (line,) = resample(RUNS, RULES, NUMBER, SETTINGS, folder, data, folder / "digits.jsonl")
    return line


def of(line: Resamples, metric: str, protocol: str = "", epoch: int | None = None) -> Resampled:
    (found,) = [
        one for one in line.found if (one.metric, one.epoch) == (metric, epoch) and protocol in ("", one.protocol)
    ]
    return found


@torch.no_grad()
def embeddings(folder: Path, data: Path, config: RunConfig, weights: str = "encoder") -> dict[str, np.ndarray]:
    """Return features and unit projections of plain and of augmented samples, from the weights of a run, float64."""
    from safetensors.torch import load_file

    dataset = load(config.dataset, data)
    encoder = build_run_encoder(config, dataset)
    encoder.load_state_dict(load_file(folder / config.id / f"{weights}.safetensors"))
    encoder.eval()
    augmentation = build_augmentation(config.augmentation, dataset, "here")
    draws = augmentation.sample(3, generator(config.dataset, 0, "test augmentations"))
    found = {}
    test, train = (torch.from_numpy(np.array(split.inputs)) for split in (dataset.test, dataset.train))
    for name, views in (
        ("test", augmentation.identity(test)),
        ("train", augmentation.identity(train)),
        *((f"draw{i}", augmentation.apply(test, draws[i].repeat_interleave(len(test)))) for i in range(3)),
    ):
        features = encoder.backbone(views)
        z = encoder.projector(features).double().numpy()
        found[f"{name} features"] = features.double().numpy()
        found[name] = z / np.linalg.norm(z, axis=1, keepdims=True)
    return found


@pytest.fixture(scope="module")
def known(folder: Path, data: Path) -> dict[str, np.ndarray]:
    return embeddings(folder, data, RUNS[0])


@pytest.fixture(scope="module")
def rows(data: Path) -> list[np.ndarray]:
    return [part.numpy() for part in halves(load("digits", data), NUMBER)]


def wahba(z: np.ndarray, za: np.ndarray) -> float:
    """Return the error of the best rotation, found by an SVD."""
    u, _, vt = np.linalg.svd(za.T @ z)
    signs = np.ones(len(u))
    signs[-1] = np.linalg.det(u @ vt)
    return float(np.linalg.norm(za - z @ (u * signs @ vt).T))


def gamma(z: np.ndarray, za: np.ndarray) -> np.ndarray:
    def squared(x: np.ndarray) -> np.ndarray:
        return ((x[:, None] - x[None]) ** 2).sum(axis=2)

    moved = ((za - z) ** 2).sum(axis=1)
    ratios = (squared(za) - squared(z)) ** 2 / (moved[:, None] + moved[None]) ** 2
    return ratios[np.triu_indices(len(z), 1)]


def test_every_metric_of_the_rules_is_there_and_nothing_else(measured: Resamples) -> None:
    assert (measured.variant, measured.seed, measured.units, measured.kept) == ("care", 3, 360, 180)
    assert {(one.metric, one.protocol, one.representation, one.epoch) for one in measured.found} == {
        ("wahba_error", "wahba-v1", "projection", None),
        ("top1", "cached-v1", "features", None),
        ("top1", "paper-small-v1", "features", None),
        ("wahba_error_worst", "wahba-v1", "projection", None),
        ("gamma_median", "relative-equivariance-v1", "projection", None),
        ("gamma_median", "relative-equivariance-v1", "projection", 1),
        ("invariance", "relative-equivariance-v1", "projection", None),
        ("invariance", "relative-equivariance-v1", "projection", 1),
    }
    assert all(len(one.values) == NUMBER for one in measured.found)
    assert [one.metric for one in measured.found if one.draws] == ["wahba_error"]


def test_maps_are_fitted_to_the_half(measured: Resamples, known: dict[str, np.ndarray], rows: list[np.ndarray]) -> None:
    errors = np.array([[wahba(known["test"][part], known[f"draw{i}"][part]) for i in range(3)] for part in rows])
    np.testing.assert_allclose(of(measured, "wahba_error").draws, errors, rtol=1e-4)
    np.testing.assert_allclose(of(measured, "wahba_error").values, errors.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(of(measured, "wahba_error_worst").values, errors.max(axis=1), rtol=1e-4)


@pytest.mark.parametrize("epoch", [None, 1])
def test_gamma_is_that_of_the_pairs_of_the_half(
    folder: Path, data: Path, measured: Resamples, rows: list[np.ndarray], epoch: int | None
) -> None:
    known = embeddings(folder, data, RUNS[0], "encoder" if epoch is None else f"snapshots/epoch{epoch}")
    for place, part in enumerate(rows):
        pairs = [(known["test"][part], known[f"draw{i}"][part]) for i in range(3)]
        # A draw that moves the embeddings by rounding alone has no ratios.
        eps = np.finfo(np.float32).eps
        moving = [(z, za) for z, za in pairs if np.mean((za - z) ** 2) > (100 * eps) ** 2 * np.mean(z**2)]
        ratios = np.concatenate([gamma(*pair) for pair in moving])
        moved = np.mean([np.linalg.norm(za - z, axis=1).mean() for z, za in pairs])
        assert of(measured, "gamma_median", epoch=epoch).values[place] == pytest.approx(np.median(ratios), rel=1e-3)
        assert of(measured, "invariance", epoch=epoch).values[place] == pytest.approx(moved, rel=1e-4)


def test_the_classifier_is_fitted_once_to_all_training_samples(
    data: Path, measured: Resamples, known: dict[str, np.ndarray], rows: list[np.ndarray]
) -> None:
    dataset, x = load("digits", data), known["train features"]
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[std == 0] = 1
    model = LogisticRegression(max_iter=5000).fit((x - mean) / std, dataset.train.labels["class"])
    right = model.predict((known["test features"] - mean) / std) == dataset.test.labels["class"]
    shares = [100 * right[part].mean() for part in rows]
    # One image of 180, on the border between two classes, may go the other way.
    np.testing.assert_allclose(of(measured, "top1", "cached-v1").values, shares, atol=0.6)


def test_clouds_are_those_of_the_entries_in_the_half(folder: Path, data: Path) -> None:
    (line,) = resample([PROTEINS], RULES, 10, SETTINGS, folder, data, folder / "proteins.jsonl")
    assert (line.units, line.kept) == (19, 9), "PDB entries"
    dataset = load("proteins", data)
    clouds = torch.randperm(len(dataset.test), generator=generator("proteins", 0, "trajectory clouds"))[:24]
    from safetensors.torch import load_file

    encoder = build_run_encoder(PROTEINS, dataset)
    encoder.load_state_dict(load_file(folder / PROTEINS.id / "encoder.safetensors"))
    encoder.eval()
    for value, part in zip(of(line, "trajectory_step_variation").values, halves(dataset, 10), strict=True):
        found = []
        for row in [row for row in part.tolist() if row in clouds.tolist()][:3]:
            points = np.asarray(dataset.test.inputs[row], np.float64)
            for axis in range(3):
                angle = 2 * np.pi * np.arange(100) / 100
                turn = np.tile(np.eye(3), (100, 1, 1))
                i, j = (axis + 1) % 3, (axis + 2) % 3
                turn[:, i, i] = turn[:, j, j] = np.cos(angle)
                turn[:, j, i], turn[:, i, j] = np.sin(angle), -np.sin(angle)
                turned = torch.from_numpy((points @ turn.transpose(0, 2, 1)).astype(np.float32))
                with torch.no_grad():
                    z = encoder.projector(encoder.backbone(turned)).double().numpy()
                z /= np.linalg.norm(z, axis=1, keepdims=True)
                steps = np.linalg.norm(np.roll(z, -1, axis=0) - z, axis=1)
                found.append(steps.std() / steps.mean())
        assert value == pytest.approx(np.mean(found), rel=1e-3)


def test_the_command_writes_the_same_bytes_which_belong_to_the_records(
    folder: Path, data: Path, measured: Resamples, tmp_path: Path
) -> None:
    (tmp_path / "runs.json").write_text(json.dumps([config.model_dump(mode="json") for config in RUNS]))
    (tmp_path / "rules.json").write_text(RULES.model_dump_json())
    (tmp_path / "settings.json").write_text(SETTINGS.model_dump_json())
    command = ["resample-runs", tmp_path / "runs.json", "--rules", tmp_path / "rules.json", "--runs", folder]
    command += ["--settings", tmp_path / "settings.json", "--data", data, "--out", tmp_path / "out.jsonl"]
    ended = run_care_bench(*command, "--number", "10")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("1 of 3 runs on 10 halves of the test samples, in ")
    (folder / RUNS[0].id / "resamples.jsonl").unlink()
    again = resample(RUNS, RULES, 10, SETTINGS, folder, data, tmp_path / "again.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()
    assert [one.values[:NUMBER] for one in again[0].found] == [one.values for one in measured.found]
    records = evaluate(folder / RUNS[0].id, data, SETTINGS, tmp_path / "records.jsonl")
    assert read_resamples(tmp_path / "out.jsonl", records) == tuple(again)
    (tmp_path / "runs.json").write_text(json.dumps([run_of("digits", "care", 4).model_dump(mode="json")]))
    ended = run_care_bench(*command)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "expected the folder of a finished run" in ended.stderr


@pytest.mark.parametrize("changed", ["nothing", "the rules", "the number", "the line", "its summary"])
def test_a_run_is_measured_again_only_where_something_changed(
    changed: str, folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = resample(RUNS[:1], RULES, NUMBER, SETTINGS, folder, data, tmp_path / "once.jsonl")
    kept, rules, number = folder / RUNS[0].id / "resamples.jsonl", RULES, NUMBER
    assert kept.read_bytes() == (tmp_path / "once.jsonl").read_bytes()
    if changed == "the rules":
        rules = RULES.model_copy(update={"claims": RULES.claims[:1]})
    elif changed == "the number":
        number = NUMBER + 1
    elif changed == "the line":
        kept.write_bytes(kept.read_bytes().replace(b"care", b"core", 1))
    elif changed == "its summary":
        kept.with_name("resamples.evaluate.json").unlink()
    measured: list[object] = []
    real = resamples_module._measured
    monkeypatch.setattr(resamples_module, "_measured", lambda *given: measured.append(given) or real(*given))
    again = resample(RUNS[:1], rules, number, SETTINGS, folder, data, tmp_path / "again.jsonl")
    assert len(measured) == (changed != "nothing")
    assert (again == once) == (changed not in ("the rules", "the number"))


def test_runs_that_cannot_be_resampled(folder: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="runs of profile 'tiny'; the rules for claims are of profile 'cpu'"):
        resample(RUNS, ClaimRules(**{**dict(RULES), "profile": "cpu"}), 10, SETTINGS, folder, data, tmp_path / "out")
    other = run_of("digits", "care", 3, "invariance")
    with pytest.raises(CareBenchError, match="config"):
        resample([other], RULES, 10, SETTINGS, folder, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_test_split_of_which_protocols_measure_a_part_has_none(
    folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SAMPLES", 300)
    assert resample(RUNS, RULES, 10, SETTINGS, folder, data, tmp_path / "out") == []
    assert (tmp_path / "out").read_bytes() == b""
