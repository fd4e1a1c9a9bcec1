"""A whole small run, measured, and what its numbers are computed from.

Everything but the forward pass and the draws is numpy and scipy here: no metric, loss or part of the evaluation is
imported. What a protocol says it measures is written out once more, in float64, with loops.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.artifacts import Record
from care_bench.augmentations import ImageAugmentation, RandomRotation3D
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import PreparedDataset, load, prepare
from care_bench.evaluation.run import evaluate
from care_bench.runs.build import build_run_encoder
from care_bench.runs.randomness import generator
from care_bench.runs.weights import load_encoder_weights
from care_bench.training.pretrain import pretrain

Array = np.ndarray[Any, Any]
DRAWS, SAMPLES = 3, 90
SETTINGS = EvaluationConfig(augmentations=DRAWS, samples=SAMPLES, classifier_seeds=2, augmentation_seed=5)


class Measured:
    """The records of a run, and what they are computed from."""

    def __init__(self, name: str, root: Path) -> None:
        prepare(name, root)
        preset: dict[str, Any] = load_preset(name)
        if name == "digits":
            preset["augmentation"]["rotation_degrees"] = 20.0
        preset["encoder"] = {
            "backbone": {**preset["encoder"]["backbone"], "width": 8},
            "projector": {"hidden": [16], "output": 6},
        }
        preset["training"].update({"steps": 24, "batch_size": 32, "warmup_epochs": 0})
        care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3}
        identity = {"profile": "whole", "dataset": name, "variant": "care", "seed": 2}
        self.config = RunConfig.parse({**identity, "method": care, **preset}, "here")
        folder = pretrain(self.config, root, root / f"{name}-run")
        self.records = evaluate(folder.path, root, SETTINGS)
        self.log = [json.loads(line) for line in folder.log.read_text().splitlines()]
        self.dataset = load(name, root)
        self.encoder = build_run_encoder(self.config, self.dataset)
        load_encoder_weights(self.encoder, folder.encoder, self.config.sha256())
        self.encoder.eval()
        self.train, self.train_rows = few(self.dataset.train.inputs)
        self.test, self.test_rows = few(self.dataset.test.inputs)
        self.augmentation = augmentation(self.config, self.dataset)

    def draw(self, purpose: str, n: int = DRAWS) -> Any:
        """Return draws of the evaluation, whose identity is data set, seed of the augmentations and purpose."""
        return self.augmentation.sample(n, generator(self.dataset.name, SETTINGS.augmentation_seed, purpose))

    def embed(self, views: torch.Tensor) -> dict[str, Array]:
        with torch.no_grad():
            features = self.encoder.backbone(views)
            projected = self.encoder.projector(features).double().numpy()
        return {"features": features.double().numpy(), "projection": unit(projected)}

    def views(self, inputs: Array, drawn: Any, i: int, how: Any = None) -> torch.Tensor:
        shared = drawn[i].repeat_interleave(len(inputs))
        applied: torch.Tensor = (how or self.augmentation).apply(torch.from_numpy(inputs), shared)
        return applied

    def value(self, protocol: str, metric: str, representation: str) -> Record:
        (found,) = (
            record
            for record in self.records
            if (record.protocol, record.metric, record.representation) == (protocol, metric, representation)
        )
        return found


def augmentation(config: RunConfig, dataset: PreparedDataset) -> Any:
    if dataset.kind == "point_cloud":
        return RandomRotation3D()
    drawn = ("crop_scale", "flip_probability", "jitter", "rotation_degrees")
    keys = {key: getattr(config.augmentation, key) for key in drawn}
    mean, std = statistics(dataset)
    return ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=mean, std=std, **keys)


def statistics(dataset: PreparedDataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pixels = np.array(dataset.train.inputs, dtype=np.float64) / 255
    return tuple(pixels.mean(axis=(0, 2, 3))), tuple(pixels.std(axis=(0, 2, 3)))


def few(inputs: Array) -> tuple[Array, list[int]]:
    """Return the samples that are measured: at most ``SAMPLES``, evenly spaced."""
    n = min(SAMPLES, len(inputs))
    rows = [i * len(inputs) // n for i in range(n)]
    return np.array(inputs[rows]), rows


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def plain(run: Measured, inputs: Array) -> torch.Tensor:
    if run.dataset.kind == "point_cloud":
        return torch.from_numpy(inputs)
    mean, std = (np.array(part)[:, None, None] for part in statistics(run.dataset))
    return torch.from_numpy((inputs / 255 - mean) / std).float()


def rotation(source: Array, target: Array) -> Array:
    """Return the rotation R with the least |target - source R^T| (Wahba's problem)."""
    u, _, vt = np.linalg.svd(target.T @ source)
    signs = np.ones(len(u))
    signs[-1] = np.linalg.det(u) * np.linalg.det(vt)
    return np.asarray(u @ np.diag(signs) @ vt)


def orthogonal(source: Array, target: Array) -> Array:
    """Return the map R in O(d) with the least |target - source R^T|; of several, the one nearest to the identity."""
    u, singular, vt = np.linalg.svd(target.T @ source)
    rank = int((singular > 1e-12 * singular[0]).sum())
    here, there = vt[rank:].T, u[:, rank:]  # what no sample decides
    a, _, b = np.linalg.svd(there.T @ here)
    return np.asarray(u[:, :rank] @ vt[:rank] + there @ a @ b @ here.T)


def assert_same(record: Record, expected: float, rel: float = 2e-4, abs_: float = 2e-5) -> None:
    assert record.value == pytest.approx(expected, rel=rel, abs=abs_), (record.metric, record.representation)


BOTH = pytest.mark.parametrize("representation", ["projection", "features"])
EVERY = pytest.mark.parametrize("name", ["digits", "proteins"])


def half(run: Measured, rows: Array | None = None) -> Array:
    """Return which of some test samples, all by default, are in the fitted half: whole PDB entries in random order."""
    places = np.arange(len(run.test)) if rows is None else rows
    labels = run.dataset.test.labels
    of = labels["pdb_id"][places].tolist() if "pdb_id" in labels else places.tolist()
    draws = generator(run.dataset.name, SETTINGS.augmentation_seed, "fitted half")
    names = sorted(set(of))
    turn = dict(zip(names, torch.randperm(len(names), generator=draws).tolist(), strict=True))
    fitted: list[str] = []
    for name in sorted(names, key=lambda one: turn[one]):
        if sum(map([*fitted, name].count, of)) <= len(places) // 2:
            fitted.append(name)
    return np.array([name in fitted for name in of])


def rms(rows: Array) -> float:
    return float(np.sqrt((rows**2).sum(axis=1).mean()))
