"""What pictures show of runs, against numpy and a plain forward pass of the weights in their folders."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision.transforms import functional

from care_bench.artifacts.illustrations import FULL, Illustrations
from care_bench.config import EvaluationConfig, RunConfig, parse_profile
from care_bench.config.presets import load_preset
from care_bench.data import PreparedDataset, load, prepare
from care_bench.errors import CareBenchError
from care_bench.evaluation.illustrations import candidates, chosen, illustrate
from care_bench.evaluation.pictures import _curve
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.randomness import generator
from care_bench.training.pretrain import pretrain
from tests.commands import run_care_bench

SETTINGS = EvaluationConfig(augmentations=5, batch_size=77)
OPERATIONS = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)


@pytest.fixture(scope="module")
def tinted(data: Path) -> Path:
    prepare("tinted_digits", data)
    return data


@pytest.fixture(scope="module")
def runs(tinted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for name, dataset, method in (
        ("tinted", "tinted_digits", "simclr"),
        ("other", "tinted_digits", "invariance"),
        ("proteins", "proteins", "simclr"),
        ("digits", "digits", "simclr"),
        ("constant", "digits", "constant"),
    ):
        preset: dict[str, Any] = load_preset(dataset)
        preset["encoder"]["backbone"]["width"] = 4
        preset["training"].update({"steps": 4, "batch_size": 32, "warmup_epochs": 0})
        identity = {"profile": "tiny", "dataset": dataset, "variant": name, "seed": 3}
        config = RunConfig.parse({**identity, "method": {"name": method}, **preset}, "here")
        found[name] = pretrain(config, tinted, folder / name).path
    return found


def plain(path: Path, data: Path) -> tuple[Callable[[torch.Tensor], np.ndarray], PreparedDataset, RunConfig]:
    """Return f, which embeds inputs in one batch with the weights in a folder, and what the run is."""
    config = RunConfig.model_validate_json((path / "config.json").read_text())
    dataset = load(config.dataset, data)
    encoder = build_run_encoder(config, dataset)
    encoder.load_state_dict(load_file(path / "encoder.safetensors"))
    encoder.eval()

    @torch.no_grad()
    def f(inputs: torch.Tensor) -> np.ndarray:
        z = encoder.projector(encoder.backbone(inputs)).double().numpy()
        return z / np.linalg.norm(z, axis=1, keepdims=True)

    return f, dataset, config


def normalised(images: np.ndarray, dataset: PreparedDataset) -> torch.Tensor:
    mean, std = (np.array(values).reshape(1, -1, 1, 1) for values in (dataset.mean, dataset.std))
    return torch.from_numpy(((images - mean) / std).astype(np.float32))


def drawn(config: RunConfig, dataset: PreparedDataset) -> tuple[Any, Any]:
    augmentation = build_augmentation(config.augmentation, dataset, "here")
    return augmentation, augmentation.sample(5, generator(dataset.name, 0, "test augmentations"))


def test_neighbours_are_those_of_brute_force_and_thumbnails_those_of_torchvision(
    runs: dict[str, Path], tinted: Path
) -> None:
    found = illustrate([runs["tinted"], runs["other"]], tinted, SETTINGS, "retrieval")
    assert [run.variant for run in found.runs] == ["tinted", "other"]
    f, dataset, config = plain(runs["tinted"], tinted)
    _, draws = drawn(config, dataset)
    hue = np.where(draws.jitter, draws.factors[:, 3].abs(), 0)
    one = int(hue.argmax())
    assert hue[one] > 0
    number = len(dataset.test.inputs)
    assert found.query_rows == (0, number // 2)
    queries = torch.from_numpy(np.array(dataset.test.inputs[[0, number // 2]])).float() / 255
    coloured = queries
    for operation in draws.order[one].tolist():
        coloured = OPERATIONS[operation](coloured, float(draws.factors[one, operation]))
    bank = f(normalised(dataset.train.inputs / 255, dataset))
    shown = np.frombuffer(found.pixels, dtype=np.uint8).reshape(-1, *found.image_shape)
    for copy, images in enumerate((queries, coloured)):
        expected = np.round(255 * images.numpy())
        assert np.abs(shown[2 * copy : 2 * copy + 2] - expected).max() <= 1
        for query, z in enumerate(f(normalised(images.numpy(), dataset))):
            distances = np.sqrt(((bank - z) ** 2).sum(axis=1))
            order = np.argsort(distances, kind="stable")[:5]
            near = found.runs[0].retrieval[query][copy]
            np.testing.assert_allclose(near.distances, distances[order], atol=2e-4)
            rows = [found.train_rows[place] for place in near.places]
            np.testing.assert_allclose(distances[rows], distances[order], atol=2e-4)  # equal but for ties
            assert len(set(rows)) == 5
            for place, row in zip(near.places, rows, strict=True):
                assert np.array_equal(shown[4 + place], dataset.train.inputs[row])
    assert len(set(found.train_rows)) == len(found.train_rows), "every image is kept once"


def test_cosines_are_counted_over_all_test_samples_under_the_first_draw(runs: dict[str, Path], tinted: Path) -> None:
    found = illustrate([runs["digits"]], tinted, SETTINGS, "cosines").runs[0].cosines
    assert found is not None
    f, dataset, config = plain(runs["digits"], tinted)
    augmentation, draws = drawn(config, dataset)
    samples = torch.from_numpy(np.array(dataset.test.inputs))
    views = augmentation.apply(samples, draws[0].repeat_interleave(len(samples)))
    values = (f(normalised(dataset.test.inputs / 255, dataset)) * f(views)).sum(axis=1)
    assert found.mean == pytest.approx(values.mean(), abs=1e-5)
    assert found.variance == pytest.approx(values.var(ddof=1), rel=1e-3)
    assert sum(found.counts) == len(values)
    for place, edge in enumerate(np.linspace(-1, 1, 41)[1:-1], start=1):  # but for samples on an edge
        near = int((np.abs(values - edge) < 1e-5).sum())
        assert abs(sum(found.counts[:place]) - int((values < edge).sum())) <= near


def half_of_entries(entries: list[str]) -> np.ndarray:
    """Take entries in the order of their draw as long as half of the clouds have room for them."""
    names = sorted(set(entries))
    draws = torch.randperm(len(names), generator=generator("proteins", 0, "fitted half")).tolist()
    fitted: list[str] = []
    for _, name in sorted(zip(draws, names, strict=True)):
        if sum(map([*fitted, name].count, entries)) <= len(entries) // 2:
            fitted.append(name)
    return np.array([name in fitted for name in entries])


def test_curves_are_those_of_numpy_in_their_principal_planes(runs: dict[str, Path], tinted: Path) -> None:
    found = illustrate([runs["proteins"]], tinted, SETTINGS, "trajectories")
    f, dataset, _ = plain(runs["proteins"], tinted)
    order = torch.randperm(len(dataset.test), generator=generator("proteins", 0, "trajectory clouds")).numpy()
    assert found.clouds == tuple(order[:3])
    clouds = np.array(dataset.test.inputs[order[:24]], dtype=np.float64)
    fitted = half_of_entries(dataset.test.labels["pdb_id"][order[:24]].tolist())
    for axis, turn in enumerate(found.runs[0].trajectories):
        curves = []
        for cloud in clouds:
            turned = []
            for angle in 2 * math.pi * np.arange(100) / 100:
                matrix = np.eye(3)
                first, second = (axis + 1) % 3, (axis + 2) % 3
                matrix[first, first] = matrix[second, second] = math.cos(angle)
                matrix[second, first], matrix[first, second] = math.sin(angle), -math.sin(angle)
                turned.append(cloud @ matrix.T)
            curves.append(f(torch.from_numpy(np.array(turned, dtype=np.float32))))
        variations = []
        for z, curve in zip(curves[:3], turn.curves, strict=True):
            centred = z - z.mean(axis=0)
            u, s, _ = np.linalg.svd(centred, full_matrices=False)
            plane = u[:, :2] * s[:2]
            points = np.array(curve.points).reshape(100, 2) * curve.extent / FULL
            assert (points[0] >= 0).all()
            for drawn, expected in zip(points.T, plane.T, strict=True):
                signs = (1, -1) if abs(expected[0]) <= 1e-4 else (np.sign(expected[0]),)  # rounding may decide the sign
                assert min(np.abs(drawn - sign * expected).max() for sign in signs) < curve.extent * 3e-3
            assert curve.planarity == pytest.approx(100 * (s[:2] ** 2).sum() / (s**2).sum(), rel=1e-3)
            assert curve.radius == pytest.approx(math.sqrt((centred**2).sum(axis=1).mean()), rel=1e-3)
            steps = np.linalg.norm(np.roll(z, -1, axis=0) - z, axis=1)
            variations.append(steps.std() / steps.mean())
        assert turn.step_variation == pytest.approx(np.mean(variations), rel=1e-3)
        before, after = np.array(curves), np.roll(np.array(curves), -1, axis=1)
        u, _, vt = np.linalg.svd(
            before[fitted].reshape(-1, before.shape[2]).T @ after[fitted].reshape(-1, before.shape[2])
        )
        rest, following = before[~fitted], after[~fitted]
        residual = np.linalg.norm(following - rest @ (u @ vt)) / np.linalg.norm(following - rest)
        assert turn.residual == pytest.approx(residual, rel=1e-2)
        assert turn.closure is not None
        assert 0 <= turn.closure <= 1


def test_an_ellipse_is_drawn_along_its_axes() -> None:
    angles = 2 * np.pi * np.arange(100) / 100 + 0.5
    ellipse = np.stack([3 * np.cos(angles), np.sin(angles)], axis=1)
    frame, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    third = 0.1 * np.cos(3 * angles)
    found = _curve(torch.from_numpy(np.column_stack([third, ellipse]) @ frame[:3] + 7))
    points = np.array(found.points).reshape(100, 2) * found.extent / FULL
    assert points == pytest.approx(ellipse, abs=0.6 * found.extent / FULL)
    assert found.planarity == pytest.approx(100 * (9 + 1) / (9 + 1 + 0.01), rel=1e-5)
    assert found.radius == pytest.approx(math.sqrt((9 + 1 + 0.01) / 2), rel=1e-5)


def test_the_same_runs_give_the_same_line(runs: dict[str, Path], tinted: Path) -> None:
    def line() -> Illustrations:
        return illustrate([runs["other"], runs["tinted"]], tinted, SETTINGS, "retrieval")

    assert line().sha256 == line().sha256


@pytest.mark.parametrize(
    ("names", "figure", "expected"),
    [
        (["digits"], "trajectories", "digits holds images, not point clouds; expected runs that the figure"),
        (["digits"], "retrieval", "digits holds no images in colour; expected runs that the figure 'retrieval'"),
        (["proteins"], "retrieval", "proteins holds no images in colour"),
        (["digits", "tinted"], "cosines", "is a run of tinted_digits, "),
        (["digits", "digits"], "cosines", "digits/digits/seed3 is drawn already; expected runs of different names"),
        (["constant"], "cosines", "is reference row 'constant', which has no encoder of its own; expected a run"),
        (["digits"], "cosine", "unknown figure 'cosine': did you mean 'cosines'?"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    runs: dict[str, Path], tinted: Path, tmp_path: Path, names: list[str], figure: str, expected: str
) -> None:
    folders = [runs[name] for name in names]
    out = tmp_path / "out.svg"
    ended = run_care_bench("illustrate", *folders, "--figure", figure, "--data", tinted, "--out", out)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert expected in ended.stderr
    assert not list(tmp_path.iterdir())


def test_runs_under_different_augmentations_are_refused(runs: dict[str, Path], tinted: Path, tmp_path: Path) -> None:
    config = RunConfig.model_validate_json((runs["digits"] / "config.json").read_text())
    content = config.model_dump(mode="json")
    content["variant"], content["augmentation"]["flip_probability"] = "flipped", 0.25
    other = pretrain(RunConfig.parse(content, "here"), tinted, tmp_path / "run").path
    with pytest.raises(CareBenchError, match="have different augmentations; expected --settings with one"):
        illustrate([runs["digits"], other], tinted, SETTINGS, "cosines")
    shared = SETTINGS.model_copy(update={"augmentation": config.augmentation})
    assert len(illustrate([runs["digits"], other], tinted, shared, "cosines").runs) == 2


def test_a_figure_is_drawn_of_runs_with_its_numbers(runs: dict[str, Path], tinted: Path, tmp_path: Path) -> None:
    for name, form in (("first", "png"), ("second", "png"), ("third", "svg")):
        out = tmp_path / f"{name}.{form}"
        pair = (runs["tinted"], runs["other"])
        ended = run_care_bench("illustrate", *pair, "--figure", "retrieval", "--data", tinted, "--out", out)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == f"Nearest training images, in {out} and {out.with_suffix('.csv')}\n"
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    lines = (tmp_path / "third.csv").read_text().splitlines()
    assert lines[0] == "dataset,row,query,copy,rank,train_row,distance"
    assert len(lines) == 1 + 2 * 2 * 2 * 5


METHODS: dict[str, Any] = {
    "uniformity": {"name": "uniformity"},
    "random": {"name": "random"},
    "untrained": {"name": "untrained"},
    "care-3": {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 3},
    "care-4": {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 4},
    "simclr": {"name": "simclr"},
    "equimod": {"name": "equimod", "base": {"name": "simclr"}},
    **{f"invariance-{number}": {"name": "invariance", "training": {"epochs": number}} for number in range(3, 10)},
}


def test_at_most_eight_rows_are_shown_in_an_order_that_is_fixed() -> None:
    content = {"profile": "p", "seeds": [7, 1], "datasets": {"digits": {"preset": "digits", "methods": METHODS}}}
    rows = candidates(parse_profile(content, "here"), "digits")
    assert {run.seed for run in rows} == {7}
    assert [run.variant for run in rows] == [name for name in METHODS if name != "random"]
    first = ["simclr", "care-3", "equimod", "untrained", "uniformity", "care-4", "invariance-3", "invariance-4"]
    assert {name: [run.variant for run in part] for name, part in chosen(rows).items()} == {
        "trajectories": first,
        "retrieval": first,
        "cosines": first,
    }


def test_cosines_are_of_the_encoders_into_the_plane_where_there_are_some() -> None:
    circle = {"encoder": {"projector": {"hidden": [8], "output": 2}}}
    methods = METHODS | {"circle": {"name": "simclr", **circle}}
    content = {"profile": "p", "seeds": [0], "datasets": {"digits": {"preset": "digits", "methods": methods}}}
    found = chosen(candidates(parse_profile(content, "here"), "digits"))
    assert [run.variant for run in found["cosines"]] == ["circle"]
    assert len(found["retrieval"]) == 8


def test_a_data_set_without_a_trained_row_shows_nothing() -> None:
    methods = {"untrained": {"name": "untrained"}}
    content = {"profile": "p", "seeds": [0], "datasets": {"digits": {"preset": "digits", "methods": methods}}}
    assert candidates(parse_profile(content, "here"), "digits") == []
