"""All variants of a data set are measured under one augmentation, whatever they are trained with."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from care_bench.config import EvaluationConfig, Profile, RunConfig, parse_profile, read_evaluation
from care_bench.config.run import ImageAugmentationConfig
from care_bench.errors import CareBenchError

PROFILE: dict[str, Any] = {
    "profile": "mixed",
    "seeds": [0],
    "evaluation": {"augmentations": 4, "batch_size": 7},
    "datasets": {
        "cifar10": {
            "preset": "cifar",
            "augmentation": {"flip_probability": 0.25},
            "methods": {
                "simclr": {"name": "simclr"},
                "byol": {"preset": "byol", "name": "byol"},
                "small": {"name": "simclr", "augmentation": {"size": 16, "crop_scale": [0.9, 1.0]}},
            },
        },
        "digits": {"preset": "digits", "methods": {"simclr": {"name": "simclr"}}},
        "proteins": {"preset": "proteins", "methods": {"uniformity": {"name": "uniformity"}}},
    },
}


def test_an_augmentation_in_part_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("augmentation: {crop_scale: [1, 1]}")
    with pytest.raises(
        CareBenchError, match=r"settings.yaml: augmentation: expected a whole one: `kind: image`, `size`"
    ):
        read_evaluation(path)
    path.write_text("augmentation: {kind: imag}")
    with pytest.raises(CareBenchError, match=r"augmentation.kind = 'imag': expected one of 'image', 'rotation'$"):
        read_evaluation(path)


def profile(evaluation: Any = None, **changes: Any) -> Profile:
    content = copy.deepcopy(PROFILE)
    if evaluation is not None:
        content["datasets"]["cifar10"]["evaluation"] = evaluation
    return parse_profile({**content, **changes}, "here")


def under(found: Profile, variant: str) -> dict[str, Any]:
    (run,) = (run for run in found.runs() if run.variant == variant and run.dataset == "cifar10")
    return asdict(found.measured("cifar10").augmentation_of(run))


def test_variants_share_the_augmentation_of_the_data_set_at_their_own_view_size() -> None:
    found = profile()
    byol, small = (next(run for run in found.runs() if run.variant == variant) for variant in ("byol", "small"))
    assert asdict(byol.augmentation)["crop_scale"] == (0.2, 1.0)
    assert asdict(byol.augmentation)["blur_probability"] == 0
    # The preset `cifar`, with the key that the data set replaces.
    expected = {
        "kind": "image",
        "crop_scale": (0.08, 1.0),
        "flip_probability": 0.25,
        "jitter": (0.4, 0.4, 0.4, 0.1),
        "jitter_probability": 0.8,
        "grayscale_probability": 0.2,
        "blur_probability": 0.5,
        "blur_kernel": 3,
        "blur_sigma": (0.1, 2.0),
        "rotation_degrees": 0.0,
        "test_view": "resize",
    }
    assert under(found, "simclr") == under(found, "byol") == {**expected, "size": 32}
    assert under(found, "small") == {**expected, "size": 16, "blur_sigma": (0.05, 1.0)}  # as wide relative to the view
    settings = found.measured("cifar10")
    assert settings.recorded(byol) == settings.recorded(small), "their numbers can share a column"
    assert (settings.augmentations, settings.batch_size) == (4, 7)


def test_a_data_set_replaces_keys_of_the_augmentation_for_the_evaluation_alone() -> None:
    plain, changed = profile(), profile({"augmentation": {"crop_scale": [1, 1], "blur_probability": 0}})
    assert [run.sha256() for run in changed.runs()] == [run.sha256() for run in plain.runs()]
    for variant in ("simclr", "byol", "small"):
        assert under(changed, variant) == {**under(plain, variant), "crop_scale": (1, 1), "blur_probability": 0}
    for other in ("digits", "proteins"):
        assert changed.measured(other) == plain.measured(other)
    assert changed.measured("proteins").model_dump()["augmentation"] == {"kind": "rotation"}


def test_runs_cut_to_a_few_steps_are_measured_on_a_few_samples_under_the_same_augmentation() -> None:
    cut = profile(steps=2).measured("cifar10")
    assert (cut.samples, cut.augmentations) == (64, 2)
    assert cut.augmentation == profile().measured("cifar10").augmentation


@pytest.mark.parametrize(("samples", "expected"), [(50, 50), (64, 64), (100, 64)])
def test_steps_never_raise_the_samples_of_a_profile(samples: int, expected: int) -> None:
    evaluation = {"samples": samples, "augmentations": 4}
    cut = parse_profile({**PROFILE, "evaluation": evaluation, "steps": 2}, "here").measured("digits")
    assert (cut.samples, cut.augmentations) == (expected, 2)


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"augmentation": {"crop_scal": [1, 1]}}, "unknown key 'augmentation.crop_scal': did you mean 'crop_scale'?"),
        ({"augmentaton": {}}, "unknown key 'datasets.cifar10.evaluation.augmentaton': did you mean 'augmentation'?"),
        (
            {"samples": 64},
            "here: datasets.cifar10.evaluation: 'samples' holds for all data sets; expected in the profile's "
            "own `evaluation`",
        ),
        (
            {"augmentation": {"crop_scale": [1, 0.5]}},
            "crop_scale is (1.0, 0.5), expected a pair",
        ),
        ({"augmentation": {"jitter_probability": "1"}}, "augmentation.jitter_probability = '1': expected a number"),
        (
            {"augmentation": {"size": 16}},
            "size is the run's own; expected keys of the distribution, such as 'crop_scale'",
        ),
        ({"augmentation": {"test_view": "resize"}}, "test_view is the run's own"),
        (
            {"augmentation": {"kind": "rotation"}},
            "augmentation.kind = 'rotation' cannot be replaced; expected 'image', since the samples are images",
        ),
        ({"augmentation": {"kind": None}}, "augmentation.kind = null cannot be replaced; expected 'image'"),
        ({"augmentation": {"blur_kernel": 65}}, "evaluation: augmentation: blur_kernel is 65"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(evaluation: dict[str, Any], message: str) -> None:
    with pytest.raises(CareBenchError) as caught:
        profile(evaluation).runs()
    assert message in str(caught.value)
    assert "cifar10" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_augmentation_in_the_evaluation_of_the_whole_profile_is_refused() -> None:
    with pytest.raises(CareBenchError) as caught:
        parse_profile({**PROFILE, "evaluation": {"augmentation": {"crop_scale": [1, 1]}}}, "here")
    expected = "'augmentation' belongs to one data set; expected in `datasets.NAME.evaluation`"
    assert str(caught.value) == f"here: evaluation: {expected}"


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (
            {"blur_probability": 0},
            "augmentation.blur_probability: the samples are point clouds, whose rotations have no keys to replace; "
            "expected none",
        ),
        (
            {"kind": "image", "size": 8},
            "augmentation.kind = 'image' cannot be replaced; expected 'rotation', since the samples are point clouds",
        ),
    ],
)
def test_the_rotation_of_point_clouds_has_no_keys_to_replace(augmentation: dict[str, Any], message: str) -> None:
    content = copy.deepcopy(PROFILE)
    content["datasets"]["proteins"]["evaluation"] = {"augmentation": augmentation}
    with pytest.raises(CareBenchError) as caught:
        parse_profile(content, "here").runs()
    assert str(caught.value) == f"profile 'mixed', data set 'proteins', evaluation: {message}"


def test_the_preset_of_a_data_set_must_fit_it_even_if_every_variant_has_its_own() -> None:
    content = copy.deepcopy(PROFILE)
    content["datasets"]["proteins"] = {
        "preset": "digits",
        "methods": {"uniformity": {"preset": "proteins", "name": "uniformity"}},
    }
    with pytest.raises(CareBenchError, match=r"'proteins', evaluation: preset 'digits' with augmentation 'image' does"):
        parse_profile(content, "here").runs()


def test_a_reason_may_be_about_the_evaluation_augmentation() -> None:
    content = copy.deepcopy(PROFILE)
    content["datasets"]["cifar10"]["why"] = {"evaluation.augmentation.jitter": "as in pretraining"}
    parse_profile(content, "here").runs()
    content["datasets"]["cifar10"]["why"] = {"evaluation.augmentation.jiter": "as in pretraining"}
    with pytest.raises(CareBenchError, match=r"did you mean 'evaluation\.augmentation\.jitter'"):
        parse_profile(content, "here").runs()


def run_of(dataset: str) -> RunConfig:
    return next(run for run in profile().runs() if run.dataset == dataset)


def test_without_an_evaluation_augmentation_a_run_is_measured_under_its_own(tmp_path: Path) -> None:
    run = run_of("cifar10")
    assert EvaluationConfig().augmentation_of(run) == run.augmentation
    # The recorded settings are the same, whether the augmentation was given or is that of the run.
    path = tmp_path / "evaluation.json"
    path.write_text(EvaluationConfig(augmentation=run.augmentation, batch_size=3).model_dump_json())
    assert read_evaluation(path).recorded(run) == EvaluationConfig().recorded(run)
    assert "crop_scale" in json.dumps(EvaluationConfig().recorded(run))


def test_an_augmentation_of_another_kind_is_refused() -> None:
    images, clouds = run_of("cifar10"), run_of("proteins")
    with pytest.raises(CareBenchError, match=r"evaluation\.augmentation\.kind = 'rotation'; expected 'image', as the"):
        EvaluationConfig(augmentation=clouds.augmentation).augmentation_of(images)
    with pytest.raises(CareBenchError, match=r"evaluation\.augmentation\.kind = 'image'; expected 'rotation', as the"):
        EvaluationConfig(augmentation=images.augmentation).augmentation_of(clouds)


@pytest.mark.parametrize(
    ("size", "kernel", "to", "expected", "sigma"),
    [
        (32, 3, 224, 21, (0.7, 14.0)),
        (224, 23, 32, 3, (1 / 70, 2 / 7)),
        (32, 3, 8, 3, (0.025, 0.5)),
        (8, 1, 32, 1, (0.4, 8.0)),
    ],
)
def test_the_blur_is_as_wide_relative_to_views_of_another_size(
    size: int, kernel: int, to: int, expected: int, sigma: tuple[float, float]
) -> None:
    found = ImageAugmentationConfig(kind="image", size=size, blur_kernel=kernel).on_views(to, "centre-crop")
    assert (found.size, found.blur_kernel, found.test_view) == (to, expected, "centre-crop")
    assert found.blur_sigma == pytest.approx(sigma)
    assert EvaluationConfig(augmentation=ImageAugmentationConfig(kind="image", size=size)).pixel(to) == to / size
    assert EvaluationConfig().pixel(to) == 1
