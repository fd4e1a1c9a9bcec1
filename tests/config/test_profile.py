"""Profiles: the runs they resolve to, and the one-line error of each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from care_bench.config import parse_profile, read_profile, read_run
from care_bench.errors import CareBenchError
from tests.config.editing import edited

ROOT = Path(__file__).parents[2]
PROFILE: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0, 7],
    "datasets": {
        "digits": {
            "preset": "digits",
            "training": {"batch_size": 64},
            "methods": {
                "simclr": {"name": "simclr"},
                "care": {"name": "care", "base": {"name": "simclr"}, "splits": 16, "weight": 0.3},
            },
        },
        "proteins": {"preset": "proteins", "methods": {"uniformity": {"name": "uniformity"}}},
    },
}


def test_the_matrix_is_resolved_in_its_order() -> None:
    runs = parse_profile(PROFILE, "here").runs()
    assert [run.id for run in runs] == [
        "digits/simclr/seed0",
        "digits/simclr/seed7",
        "digits/care/seed0",
        "digits/care/seed7",
        "proteins/uniformity/seed0",
        "proteins/uniformity/seed7",
    ]
    assert {run.training.batch_size for run in runs[:4]} == {64}
    assert runs[0].training.optimizer.learning_rate == 0.001
    assert runs[0].encoder.backbone.name == "convnet"
    assert runs[4].encoder.projector.output == 16


def test_steps_apply_to_every_run() -> None:
    runs = parse_profile(edited(PROFILE, "steps", 2), "here").runs()
    assert {run.training.steps for run in runs} == {2}
    assert {run.profile for run in runs} == {"tiny-steps2"}, "cut runs would overwrite full ones"


@pytest.mark.parametrize(("fidelity", "sharing"), [("paper", "chunk"), ("released-code", "batch")])
def test_sharing_follows_the_fidelity_unless_it_is_set(fidelity: str, sharing: str) -> None:
    method = {**PROFILE["datasets"]["digits"]["methods"]["care"], "fidelity": fidelity}
    other = {"chunk": "batch", "batch": "chunk"}[sharing]
    for given, expected in (({}, sharing), ({"sharing": other}, other)):
        runs = parse_profile(edited(PROFILE, "datasets.digits.methods.care", {**method, **given}), "here").runs()
        resolved = runs[2].model_dump(mode="json")["method"]
        assert resolved["sharing"] == expected
        assert resolved["fidelity"] == fidelity


def test_one_hyperparameter_changes_one_hash() -> None:
    before = {run.id: run.sha256() for run in parse_profile(PROFILE, "here").runs()}
    after = {
        run.id: run.sha256()
        for run in parse_profile(edited(PROFILE, "datasets.digits.methods.care.weight", 0.4), "h").runs()
    }
    assert {run for run in before if before[run] != after[run]} == {"digits/care/seed0", "digits/care/seed7"}
    assert len(set(before.values())) == len(before)


def test_a_run_read_back_from_its_file_is_the_same(tmp_path: Path) -> None:
    for run in parse_profile(PROFILE, "here").runs():
        path = tmp_path / "config.json"
        path.write_text(run.model_dump_json())
        assert read_run(path, None) == run
        assert read_run(path, None).sha256() == run.sha256()


MISTAKES = [
    ("evaluaton", {}, "unknown key 'evaluaton': did you mean 'evaluation'?"),
    ("datasets.digits.methods.care.wieght", 1, "unknown key 'wieght': did you mean 'weight'?"),
    (
        "datasets.digits.methods.care",
        {"name": "care", "base": {"name": "simclr"}, "splits": 16, "wieght": 1},
        "unknown key 'wieght': did you mean 'weight'?",
    ),
    ("datasets.proteins.preset", "digits", "preset 'digits' with augmentation 'image' does not fit 'proteins'"),
    (
        "datasets.proteins.augmentation",
        {"kind": "image", "size": 8},
        "'uniformity': preset 'proteins' with augmentation 'image' does not fit 'proteins', whose samples are of kind",
    ),
    ("datasets.digits.augmentation", {"kind": "images"}, "'images'"),
    (
        "datasets.proteins.training",
        {"epochs": 2},
        "training: warmup_epochs = 5 (from the preset, unless set beside epochs): expected at most the 2 epochs of the",
    ),
    (
        "datasets.proteins.training",
        {"warmup_steps": 10},
        "warmup_steps = 10 and warmup_epochs = 5 (from the preset, unless set beside it): expected one of them to be 0",
    ),
    ("datasets.digits.training.batch_size", 1, "batch_size = 1: Input should be greater than or equal to 2"),
    ("datasets.digits.training.threads", 10**8, "threads = 100000000: Input should be less than or equal to 1024"),
    (
        "datasets.digits.augmentation",
        {"jitter": [0, 0, 0, 0.6]},
        "jitter is (0.0, 0.0, 0.0, 0.6), expected (brightness",
    ),
    (
        "datasets.digits.augmentation",
        {"crop_scale": [1, 0.5]},
        "crop_scale is (1.0, 0.5), expected a pair",
    ),
    ("datasets.digits.augmentation", {"blur_kernel": 4}, "blur_kernel is 4, expected an odd number"),
    ("seeds", [2**63], "less than"),
    ("datasets.digits.training.epoch", 1, "did you mean 'epochs'?"),
    ("datasets.digits.methods.care.weight", -0.1, "weight = -0.1: Input should be greater than or equal to 0"),
    ("datasets.digits.methods.care.base.temperature", -1, "temperature = -1: Input should be greater than 0"),
    ("datasets.digits.methods.simclr.temperature", 0, "temperature = 0: Input should be greater than 0"),
    ("datasets.digits.methods.simclr.temperature", float("nan"), "finite"),
    ("datasets.digits.methods.care.splits", 7, "splits = 7 does not divide batch_size = 64"),
    ("datasets.digits.methods.care.splits", 64, "splits = 64 leaves chunks of one"),
    ("datasets.digits.methods.care.base", {"name": "care"}, "settings of 'care'"),
    ("datasets.digits.methods.care.fidelity", "papr", "Input should be 'paper' or 'released-code'"),
    ("datasets.digits.methods.simclr.name", "simclir", "unknown method 'simclir': did you mean 'simclr'?"),
    ("datasets.digits.methods.simclr", {"temperature": 1}, "a method needs the key 'name'"),
    ("datasets.digits.preset", "digit", "unknown preset 'digit': did you mean 'digits'?"),
    ("datasets.diggits", {"preset": "digits", "methods": {"a": {"name": "simclr"}}}, "did you mean 'digits'?"),
    ("datasets.digits.encoder", {"backbone": {"name": "deepset"}}, "does not take the inputs of augmentation 'image'"),
    ("datasets.digits.methods", {}, "no methods and no imported encoders; expected at least one of them"),
    ("datasets.digits.methods", {"a/b": {"name": "simclr"}}, "'a/b' cannot be a folder"),
    ("profile", "../up", "cannot be a folder"),
    ("seeds", [], "at least 1"),
    ("seeds", [1, 1], "expected distinct seeds"),
    ("seeds", [-1], "greater than or equal to 0"),
    ("steps", 0, "steps = 0: Input should be greater than 0"),
    ("evaluation", {"augmentations": 1}, "evaluation.augmentations = 1"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_a_mistake_is_one_line_that_names_it(path: str, value: Any, message: str) -> None:
    with pytest.raises(CareBenchError) as caught:
        parse_profile(edited(PROFILE, path, value), "here").runs()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_care_around_an_equivariant_method_is_refused() -> None:
    base = {"name": "equivariance", "splits": 16}
    with pytest.raises(CareBenchError, match="unknown base method 'equivariance'"):
        parse_profile(edited(PROFILE, "datasets.digits.methods.care.base", base), "here").runs()


def test_a_run_is_picked_out_of_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(PROFILE, sort_keys=False))
    assert read_run(path, "digits/care/seed7").seed == 7
    with pytest.raises(CareBenchError, match="did you mean 'digits/care/seed0'"):
        read_run(path, "digits/care/sed0")
    with pytest.raises(CareBenchError, match="is a profile of 6 runs: pick one, as in --run digits/simclr/seed0"):
        read_run(path, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", r'is not YAML: while parsing a flow node .* in ".*broken.yaml", line 1, column 5'),
        ("a: 1\nb: 2\na: 3\n", "duplicate key 'a' in line 3"),
        ("- 1", "found list"),
        ("", "found nothing: the file is empty"),
        ("{}", "key 'profile' is missing"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(CareBenchError, match=message) as caught:
        read_run(path, None)
    assert str(path) in str(caught.value)
    with pytest.raises(CareBenchError, match="No such file"):
        read_profile(tmp_path / "absent.yaml")


@pytest.mark.parametrize(("splits", "batch", "cut"), [(32, 256, 4), (16, 256, 4), (6, 96, 2), (3, 96, 1), (1, 8, 1)])
def test_a_check_takes_a_few_chunks_of_a_small_batch(splits: int, batch: int, cut: int) -> None:
    """On 224 pixels a batch of 64 with six views takes more memory than most machines have."""
    variant = {
        "name": "care",
        "base": {"name": "simclr"},
        "splits": splits,
        "weight": 1.0,
        "training": {"batch_size": batch},
    }
    content = {
        "profile": "p",
        "seeds": [0],
        "datasets": {"digits": {"preset": "digits", "methods": {"variant": variant}}},
    }
    (run,) = parse_profile({**content, "steps": 2}, "p").runs()
    assert run.training.batch_size == 8
    assert run.method.model_dump()["splits"] == cut
    (whole,) = parse_profile(content, "p").runs()
    assert (whole.training.batch_size, whole.method.model_dump()["splits"]) == (batch, splits)
