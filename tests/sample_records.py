"""Records written by hand for tests of artifacts and report, with means and intervals that are easy to compute."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from care_bench.artifacts import Manifest, Record, write_records
from care_bench.artifacts.collecting import collect
from care_bench.artifacts.evaluated import summary_of
from care_bench.files import write_json

ROOT = Path(__file__).parents[1]
METHODS = {
    "simclr": ("simclr", None, None),
    "care": ("care", "simclr", "paper"),
    "care-released-code": ("care", "simclr", "released-code"),
    "care-weight-3": ("care", "simclr", "paper"),
    "invariance": ("invariance", None, None),
    "uniformity": ("uniformity", None, None),
    "equivariance": ("equivariance", None, "paper"),
}
PROTOCOLS = {
    "top1": ("cached-v1", "%", True),
    "wahba_error_per_sample": ("wahba-v1", "1", False),
    "cosine_mean": ("cosine-v1", "1", None),
    "gradient_ratio": ("gradient-ratio-v1", "1", None),
    "uniformity": ("alignment-uniformity-v1", "1", None),
    "positive_cosine_25": ("positive-cosine-v1", "1", None),
    "positive_cosine_50": ("positive-cosine-v1", "1", None),
    "positive_cosine_75": ("positive-cosine-v1", "1", None),
    "positive_cosine_95": ("positive-cosine-v1", "1", None),
    "wahba_error": ("wahba-v1", "1", False),
    "wahba_error_worst": ("wahba-v1", "1", False),
    "held_out_wahba": ("held-out-wahba-v1", "1", False),
    "gamma": ("relative-equivariance-v1", "1", False),
    "gamma_median": ("relative-equivariance-v1", "1", False),
    "invariance": ("relative-equivariance-v1", "1", None),
    "cosine_variance": ("cosine-v1", "1", False),
    "alignment": ("alignment-uniformity-v1", "1", None),
    "retrieval_overlap": ("retrieval-v1", "%", None),
    "retrieval_tint_distance": ("retrieval-v1", "1", False),
    "first_pc_r2": ("first-pc-v1", "1", True),
    "first_pc_angle": ("first-pc-v1", "degree", False),
    "trajectory_planarity": ("trajectories-v1", "%", True),
    "trajectory_step_variation": ("trajectories-v1", "1", False),
    "positive_cosine_mean": ("positive-cosine-v1", "1", None),
    "positive_cosine_05": ("positive-cosine-v1", "1", None),
    "composition_error": ("composition-v1", "1", None),
    "certificate_error": ("certificate-v1", "1", None),
    "certificate_bound": ("certificate-v1", "1", None),
    "certificate_printed_bound": ("certificate-v1", "1", None),
    "certificate_admissible": ("certificate-v1", "%", None),
    "effective_rank": ("effective-rank-v1", "1", False),
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


EVALUATION = canonical(
    {"augmentation": {"kind": "image", "crop_scale": [0.5, 1.0]}, "augmentation_seed": 3, "augmentations": 20}
)


def make_record(**changes: Any) -> Record:
    """Return a record of the profile `small`; the defaults are SimCLR, digits and seed 0."""
    variant = changes.get("variant", "simclr")
    metric = changes.get("metric", "top1")
    method, base, fidelity = METHODS.get(variant, (variant, None, None))
    protocol, unit, higher = PROTOCOLS[metric]
    config = canonical({"method": {"name": variant}, "seed": changes.get("seed", 0), "training": {"steps": None}})
    content = {
        "profile": "small",
        "dataset": "digits",
        "method": method,
        "base": base,
        "fidelity": fidelity,
        "variant": variant,
        "backbone": "convnet",
        "seed": 0,
        "protocol": protocol,
        "protocol_version": 1,
        "representation": "projection",
        "metric": metric,
        "value": 90.0,
        "unit": unit,
        "n": 1,
        "higher_is_better": higher,
        "evaluation": EVALUATION,
        "config": config,
        "config_sha256": sha(config),
        "data_sha256": sha(changes.get("dataset", "digits")),
        "weights_sha256": sha(f"weights of {variant} {changes.get('seed', 0)}"),
        "code_version": "0.1.0+g0123456789ab",
        "environment": {"numpy": "2.3.5", "python": "3.11.7"},
        "device": "cpu: Sample Processor (R) 2 GHz",
        "duration_s": 1.25,
    }
    return Record(**{**content, **changes})


def seeds(values: Sequence[float | None], **changes: Any) -> list[Record]:
    """Return one record per seed 0, 1, ...; None leaves a seed out."""
    return [make_record(seed=seed, value=value, **changes) for seed, value in enumerate(values) if value is not None]


def sample() -> list[Record]:
    """Return the records of the collection `small` of the golden tables."""
    repeated = {"n": 3, "spread": 0.25}
    failed = {"value": None, "n": 0, "reason": "diverged: loss > 1e6 at 50% of step_count & stopped | <final>"}
    return [
        *seeds([80.0, 81.0, 82.0], variant="simclr"),
        *seeds([90.0, 92.0, 94.0], variant="care"),
        *seeds([88.0, 90.0, None], variant="care-released-code"),
        *seeds([84.0, 85.0, 86.0], variant="simclr", representation="features", **repeated),
        *seeds([95.0, 95.5, 96.0], variant="care", representation="features", **repeated),
        *seeds([70.0, 71.0, 72.0], variant="care-released-code", representation="features", **repeated),
        *seeds([60.0, 61.0, 62.0], variant="invariance", representation="features", **repeated),
        *[make_record(variant="equivariance", seed=seed, representation="features", **failed) for seed in range(3)],
        *seeds([85.0, 86.0, 87.0], variant="simclr", protocol="knn-v1", representation="features"),
        *seeds([0.5, 0.6, 0.7], variant="simclr", metric="wahba_error"),
        *seeds([0.2, 0.2, 0.2], variant="care", metric="wahba_error"),
        *seeds([0.3, 0.4, 0.5], variant="care-weight-3", metric="wahba_error"),
        *seeds([0.9, 1.0, 1.1], variant="simclr", metric="wahba_error_worst"),
        *seeds([100.0, 200.0, 300.0], variant="simclr", metric="gamma"),
        *seeds([0.0001, 0.0002, 0.0003], variant="care", metric="gamma"),
        *seeds([1.5, 1.5, 1.5], variant="simclr", metric="invariance"),
        make_record(variant="care", metric="invariance", value=1.25),
        make_record(variant="care", metric="invariance", seed=1, value=None, n=0, reason="out of memory"),
        make_record(metric="first_pc_r2", value=None, n=0, reason="digits holds images, not point clouds"),
        make_record(metric="first_pc_angle", value=None, n=0, reason="digits holds images, not point clouds"),
        *seeds([0.03, 0.04, 0.05], variant="care", metric="effective_rank"),
        make_record(dataset="proteins", backbone="deepset", variant="simclr", metric="first_pc_r2", value=0.02),
        make_record(dataset="proteins", backbone="deepset", variant="care", metric="first_pc_r2", value=0.88),
        make_record(dataset="proteins", backbone="deepset", variant="care", metric="first_pc_angle", value=12.345),
        make_record(dataset="proteins", backbone="deepset", variant="care", metric="wahba_error", value=0.14),
        make_record(dataset="proteins", backbone="deepset", variant="care", metric="trajectory_planarity", value=97.5),
        *seeds([40.0, 41.0, 42.0], variant="simclr", metric="retrieval_overlap"),
        *seeds([10.0, 11.0, 12.0], variant="care", metric="retrieval_overlap"),
        make_record(metric="retrieval_tint_distance", value=None, n=0, reason="digits has no tint"),
        *seeds([300.0, 301.0, 302.0], variant="simclr", metric="gamma", epoch=10),
        *seeds([3.0, 4.0, 5.0], variant="care", metric="gamma", epoch=2),
        *seeds([0.5, 1.0, 1.5], variant="care", metric="gamma", epoch=10),
        *seeds(
            [90.0, 90.5, 91.0],
            dataset="cifar10",
            backbone="resnet18",
            protocol="paper-small-v1",
            representation="features",
            **repeated,
        ),
    ]


def write_run(path: Path, records: Sequence[Record]) -> Path:
    """Write the records of one run with the summary that evaluation writes."""
    first = records[0]
    snapshots = {str(record.epoch): record.weights_sha256 for record in records if record.epoch is not None}
    content = {
        "config_sha256": first.config_sha256,
        "data_sha256": first.data_sha256,
        "weights_sha256": first.weights_sha256,
        "snapshots": snapshots,
    }
    write_json(summary_of(path), {**content, "records_sha256": write_records(path, records)})
    return path


def write_runs(folder: Path, records: Iterable[Record]) -> list[Path]:
    """Write records as those of one run for each configuration, data set and weights, in `0.jsonl` and so on."""
    runs: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        runs.setdefault((record.config_sha256, record.data_sha256, record.weights_sha256), []).append(record)
    return [write_run(folder / f"{number}.jsonl", found) for number, found in enumerate(runs.values())]


def add_profile(folder: Path, profile: dict[str, Any]) -> None:
    """Turn a collection of the records of all runs of a profile into one that is made from the profile."""
    (folder / "profile.json").write_text(json.dumps(profile))  # in its own order
    Manifest.of(folder, {**Manifest.load(folder).about, "made_from": "profile"}).save()


def write_sample(results: Path) -> Path:
    """Write a results folder with the collection `small`, a pin `old` of one record, and the paper's values."""
    collect(write_runs(results / "runs" / "all", sample()), results / "collected" / "small")
    one = make_record(profile="first", code_version="0.1.0+gabc.dirty")
    old = results / "pinned" / "old"
    collect(write_runs(results / "runs" / "one", [one]), old)
    about = {"profile": "first", "made_from": "records", "code_versions": [one.code_version], "date": "2026-01-02"}
    Manifest.of(old, about).save()
    (results / "reference").mkdir()
    shutil.copyfile(ROOT / "results" / "reference" / "table1.csv", results / "reference" / "table1.csv")
    return results


@pytest.fixture
def record() -> Callable[..., Record]:
    return make_record


@pytest.fixture
def records() -> list[Record]:
    return sample()


@pytest.fixture
def per_seed() -> Callable[..., list[Record]]:
    return seeds


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "results")


@pytest.fixture
def results(tmp_path: Path, written: Path) -> Path:
    """A copy of the sample results folder, which a test may change."""
    return Path(shutil.copytree(written, tmp_path / "results"))
